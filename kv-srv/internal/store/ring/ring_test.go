package ring_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
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

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		all := newRing(t, 3)
		return whole{all[0], t, all}
	})
}
