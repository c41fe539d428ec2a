package ring_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// TestFullSendsNothing: a write that the only replica has no room for leaves nothing to be
// taken back.
func TestFullSendsNothing(t *testing.T) {
	room := func(bytes int64) func(*ring.Options) { return func(o *ring.Options) { o.Memory.MaxBytes = bytes } }
	a, b := newNode(t, room(64<<20)), newNode(t, room(1<<20))
	introduce(a, b)
	settle(t, a, b)
	key := keyOf(t, a, a, b)
	put(t, a, key, "small")
	before := moved(t, a)
	large := store.Write{Key: key, Value: make([]byte, 2<<20)}
	if _, err := a.Put(t.Context(), ns, large); !errors.Is(err, store.ErrFull) {
		t.Fatalf("got %v, want %v", err, store.ErrFull)
	}
	if got := moved(t, a); got != before {
		t.Errorf("%d items were sent for a write that was refused", got-before)
	}
	b.end(t)
	settle(t, a)
	wantAll(t, a, map[string]string{key: "small"})
}

// TestRefusedIsTakenBack: a write that one replica had no room for does not stay at the
// other one, also if that cannot be told so at once.
func TestRefusedIsTakenBack(t *testing.T) {
	b := &breaker{before: true}
	var all []*node
	for _, bytes := range []int64{64 << 20, 64 << 20, 1 << 20} {
		all = append(all, newNode(t, func(o *ring.Options) {
			o.Replicas, o.Memory.MaxBytes = 3, bytes
			o.Dial = func(address string) (*grpc.ClientConn, error) { return dialWith(address, b.option()) }
		}))
	}
	introduce(all...)
	settle(t, all...)
	key := keyOf(t, all[0], all...)
	put(t, all[0], key, "small")
	b.left.Store(2)
	large := store.Write{Key: key, Value: make([]byte, 2<<20)}
	if _, err := all[0].Put(t.Context(), ns, large); !errors.Is(err, store.ErrFull) {
		t.Fatalf("got %v, want %v", err, store.ErrFull)
	}
	if b.left.Load() > 0 {
		t.Fatal("nothing was taken back")
	}
	settle(t, all...)
	all[2].end(t)
	settle(t, all[:2]...)
	all[0].end(t)
	settle(t, all[1])
	if got := get(t, all[1], key); got != "small" {
		t.Errorf("got %d bytes, which were refused", len(got))
	}
}

// moved is how many items a node has sent to bring others up to date.
func moved(t *testing.T, n *node) int64 {
	t.Helper()
	r, err := n.Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Nodes {
		if m.Name == n.name {
			return m.Moved
		}
	}
	t.Fatal("the node is not in its ring")
	return 0
}
