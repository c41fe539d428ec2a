package ring_test

import (
	"os"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

// whole is a ring of several nodes that is used through one of them.
type whole struct {
	*node
	t   *testing.T
	all []*node
}

func (w whole) Close() error {
	for _, n := range w.all {
		n.end(w.t)
	}
	return nil
}

func TestStore(t *testing.T) { testStore(t, 3, 2) }

// TestStoreAlone: a ring of one node is a store.
func TestStoreAlone(t *testing.T) { testStore(t, 1, 2) }

// TestStoreReplicas: so is one with another number of replicas.
func TestStoreReplicas(t *testing.T) {
	if os.Getenv("SOAK") == "" {
		t.Skip("takes a minute: make soak does it")
	}
	t.Run("1", func(t *testing.T) { testStore(t, 3, 1) })
	t.Run("3", func(t *testing.T) { testStore(t, 4, 3) })
}

func testStore(t *testing.T, nodes, replicas int) {
	t.Helper()
	storetest.Run(t, func(t *testing.T) store.Store {
		all := newRing(t, nodes, func(o *ring.Options) { o.Replicas = replicas })
		return whole{all[0], t, all}
	})
}
