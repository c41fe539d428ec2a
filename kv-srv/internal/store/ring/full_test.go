package ring_test

import (
	"errors"
	"testing"

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
