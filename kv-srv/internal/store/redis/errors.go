package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
)

// patience is how long one request to Redis may take.
const patience = 5 * time.Second

// hurry bounds a request by patience and by its share of what the caller has left. So the
// caller hears that Redis is away, and not nothing.
func hurry(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	most := patience
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		most = min(most, left-left/10)
	}
	inner, cancel := context.WithTimeout(ctx, most)
	return inner, cancel, nil
}

// meaning is what an error of a request means to its caller.
func (s *Store) meaning(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case redis.IsOOMError(err):
		return fmt.Errorf("%s: %w: %w", s.where, store.ErrFull, err)
	}
	s.moved()
	return fmt.Errorf("%s: %w", s.where, err)
}
