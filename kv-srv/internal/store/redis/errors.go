package redis

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/patience"
)

// hurry bounds a request, if there is still somebody who waits for it.
func hurry(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	inner, cancel := patience.Within(ctx)
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
