package apart

import (
	"context"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

var (
	_ store.Ringed = (*Store)(nil)
	_ store.Leaser = (*Store)(nil)
)

// Ring implements store.Ringed. One of the stores may be a ring.
func (s *Store) Ring(ctx context.Context) (store.Ring, error) {
	for _, one := range s.all {
		if r, ok := one.(store.Ringed); ok {
			return r.Ring(ctx)
		}
	}
	backend := s.rest.backend
	if backend == "memory" {
		backend += " in one process"
	}
	return store.Ring{}, &store.UnsupportedError{Backend: backend, Op: "tell of a ring", Have: []string{"memory: with KV_PEERS"}}
}

// Lease implements store.Leaser, for the namespaces whose store is one.
func (s *Store) Lease(ctx context.Context, namespace, key string, seen uint64, d time.Duration) (bool, error) {
	if l, ok := s.of(namespace).(store.Leaser); ok {
		return l.Lease(ctx, namespace, key, seen, d)
	}
	return false, &store.UnsupportedError{Backend: "the store of " + namespace, Op: "lease keys", Have: []string{"memory on many nodes"}}
}
