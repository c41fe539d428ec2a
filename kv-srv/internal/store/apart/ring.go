package apart

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

var _ store.Ringed = (*Store)(nil)

// Ring implements store.Ringed. One of the stores may be a ring.
func (s *Store) Ring(ctx context.Context) (store.Ring, error) {
	for _, one := range s.all {
		if r, ok := one.(store.Ringed); ok {
			return r.Ring(ctx)
		}
	}
	return store.Ring{}, &store.UnsupportedError{Backend: s.rest.backend, Op: "tell of a ring: no KV_PEERS are set", Have: []string{"memory"}}
}
