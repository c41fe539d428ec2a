package ring_test

import (
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// TestLeaseOfWhatIsThere: who asks for a lease after somebody has put the item gets none, and
// keeps nobody waiting.
func TestLeaseOfWhatIsThere(t *testing.T) {
	all := newRing(t, 2)
	lease := func(n *node, key string, seen uint64) bool {
		t.Helper()
		granted, err := n.Lease(t.Context(), ns, key, seen, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return granted
	}
	for i, n := range all {
		key := n.name
		if !lease(n, key, 0) || lease(all[1-i], key, 0) {
			t.Fatal("the lease on what is not there is not granted once")
		}
		version, err := n.Put(t.Context(), ns, store.Write{Key: key, Value: []byte("v")})
		if err != nil {
			t.Fatal(err)
		}
		if lease(n, key, 0) || lease(all[1-i], key, version+1) {
			t.Error("a lease is granted to who has not seen the item")
		}
		if !lease(n, key, version) {
			t.Error("a lease is not granted to who finds the item stale, since one was taken in vain")
		}
	}
}
