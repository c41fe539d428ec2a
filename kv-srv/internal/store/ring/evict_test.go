package ring_test

import (
	"strconv"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// TestDeleteEvicted: what was deleted after its owner had evicted it does not come back
// from the copy that another node has.
func TestDeleteEvicted(t *testing.T) {
	evict := func(bytes int64) func(*ring.Options) {
		return func(o *ring.Options) { o.Memory.Evict, o.Memory.MaxBytes = true, bytes }
	}
	a, b := newNode(t, evict(1<<20)), newNode(t, evict(64<<20))
	introduce(a, b)
	settle(t, a, b)
	key := keyOf(t, a, a, b)
	put(t, a, key, "old")
	value := string(make([]byte, 64<<10))
	for i := range 100 { // it is not read meanwhile, which would keep it
		put(t, a, "other"+strconv.Itoa(i), value)
	}
	if got := get(t, a, key); got != "" {
		t.Fatalf("got %q, which was to be evicted", got)
	}
	if remove(t, a, key) {
		t.Error("it was there to be deleted")
	}
	a.end(t)
	settle(t, b)
	if got := get(t, b, key); got != "" {
		t.Errorf("got %q, which was deleted", got)
	}
}
