// Package turns lets callers that read and then write the same key do so one after the
// other, so that they do not make each other try again. Other processes still may.
package turns

import (
	"context"
	"hash/maphash"
)

// Turns has the turn of each key. Its methods may be called at once.
type Turns struct {
	seed maphash.Seed
	of   [64]chan struct{}
}

// New returns turns that nobody has.
func New() *Turns {
	t := &Turns{seed: maphash.MakeSeed()}
	for i := range t.of {
		t.of[i] = make(chan struct{}, 1)
	}
	return t
}

// Take waits for the turn of a key, and returns what ends it.
func (t *Turns) Take(ctx context.Context, key string) (end func(), err error) {
	turn := t.of[maphash.String(t.seed, key)%uint64(len(t.of))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
