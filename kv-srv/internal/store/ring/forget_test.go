package ring_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

func contextOf(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// TestLongPartition: what was written on both sides is merged also if the sides have
// stopped asking for each other meanwhile.
func TestLongPartition(t *testing.T) {
	w := newWires()
	var all []*node
	var dials [2]atomic.Int32
	for i := range dials {
		n := &node{}
		start(t, n, w.from(n), func(o *ring.Options) {
			o.Forget = 500 * time.Millisecond
			dial := o.Dial
			o.Dial = func(address string) (*grpc.ClientConn, error) {
				dials[i].Add(1)
				return dial(address)
			}
		})
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	want := fill(t, all[0], 20)
	w.part(all[0])
	for _, n := range all {
		settle(t, n)
	}
	for i, key := range []string{"k0", "k1", "k2", "k3", "k4", "k5"} {
		put(t, all[i%2], key, "first")
		put(t, all[1-i%2], key, "second")
		want[key] = "second"
	}
	for i, n := range all {
		before := dials[i].Load()
		eventually(t, "the other node is forgotten", func() bool {
			n.Meet(all[1-i].name)
			return dials[i].Load() > before
		})
	}
	w.part()
	introduce(all...)
	settle(t, all...)
	for _, n := range all {
		wantAll(t, n, want)
	}
}

// TestClockSetBack: a node that was left out and starts again with an earlier clock joins.
func TestClockSetBack(t *testing.T) {
	w := newWires()
	a, b := &node{}, &node{}
	start(t, a, w.from(a))
	start(t, b, w.from(b))
	w.part(a)
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	earlier := &ringpb.Claim{Number: 1, Self: &ringpb.Member{Name: a.name, Birth: ahead, Sequence: ahead, State: ringpb.State_STATE_SERVING}}
	if err := b.Handler().Beat(t.Context(), &ringpb.BeatRequest{Claim: earlier}, &ringpb.BeatResponse{}); err != nil {
		t.Fatal(err)
	}
	settle(t, b)
	w.part()
	settle(t, a, b)
}

// TestDeletedForGood: what was deleted does not come back with a node that was away, also
// where another one has joined that answers for its slot, which has nothing else.
func TestDeletedForGood(t *testing.T) {
	w := newWires()
	var all []*node
	for range 2 {
		n := &node{}
		start(t, n, w.from(n))
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	n := &node{}
	start(t, n, w.from(n), func(o *ring.Options) { o.Alone = time.Minute })
	all = append(all, n)
	key := keyOf(t, n, all...)
	if _, err := all[0].Put(t.Context(), ns, store.Write{Key: key, Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	w.part(all[1])
	settle(t, all[0])
	if !remove(t, all[0], key) {
		t.Fatal("there was nothing to delete")
	}
	n.Meet(all[0].name)
	settle(t, all[0], n)
	w.part()
	settle(t, all...)
	for _, n := range all {
		if got := get(t, n, key); got != "" {
			t.Errorf("got %q of %s, which was deleted", got, n.name)
		}
	}
}
