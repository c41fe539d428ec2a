package fleet

import (
	"context"
	"time"
)

// turn lets one at a time do something that takes a while.
type turn struct {
	free chan struct{} // has a token while nobody does
	last *time.Time    // when it was begun last that was done to its end; for who has the token
}

func newTurn() turn {
	t := turn{make(chan struct{}, 1), &time.Time{}}
	t.free <- struct{}{}
	return t
}

// take does it once nobody else does. It fails with ctx alone.
func (t turn) take(ctx context.Context, do func(context.Context)) error {
	select {
	case <-t.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { t.free <- struct{}{} }()
	do(ctx)
	return ctx.Err()
}

// share does what has the same result for all who wait for it, unless another has begun
// to do it after asked.
func (t turn) share(ctx context.Context, asked time.Time, do func(context.Context)) error {
	return t.take(ctx, func(ctx context.Context) {
		if !t.last.Before(asked) {
			return
		}
		begun := time.Now()
		if do(ctx); ctx.Err() == nil {
			*t.last = begun
		}
	})
}
