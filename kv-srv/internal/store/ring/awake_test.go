package ring_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// TestSuspended: a node whose machine was suspended, which its monotonic clock does not
// show, answers nothing by the lease that it had before.
func TestSuspended(t *testing.T) {
	w := newWires()
	var slept atomic.Int64
	a, b := &node{}, &node{}
	start(t, a, w.from(a), func(o *ring.Options) {
		o.Memory.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(slept.Load())) }
	})
	start(t, b, w.from(b))
	introduce(a, b)
	settle(t, a, b)
	key := keyOf(t, a, a, b)
	put(t, a, key, "old")
	w.part(a)
	slept.Store(int64(time.Minute))
	ctx, cancel := contextOf(t, 200*time.Millisecond)
	defer cancel()
	if item, err := a.Get(ctx, ns, key); err == nil {
		t.Errorf("got %q by a lease of a minute ago", item.Value)
	}
	w.part()
	settle(t, a, b)
	if got := get(t, a, key); got != "old" {
		t.Errorf("got %q, want old", got)
	}
}
