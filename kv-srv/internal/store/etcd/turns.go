package etcd

import (
	"context"
	"hash/maphash"
)

// turns lets callers that read and then write the same key do so one after the other,
// so that they do not make each other try again. Other processes still may.
type turns struct {
	seed maphash.Seed
	of   [64]chan struct{}
}

func newTurns() turns {
	t := turns{seed: maphash.MakeSeed()}
	for i := range t.of {
		t.of[i] = make(chan struct{}, 1)
	}
	return t
}

// take waits for the turn of a key, and returns what ends it.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	turn := t.of[maphash.String(t.seed, key)%uint64(len(t.of))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
