package chain

import (
	"context"
	"errors"
	"time"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
)

// deadline bounds a unary call whose caller did not, and does not begin one that is
// over.
func deadline(timeout time.Duration) server.HandlerWrapper {
	ended := call.NewEnded()
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := call.FromContext(ctx)
			if end, ok := ctx.Deadline(); ok || c.Stream {
				return late(end, next(ctx, req, rsp))
			}
			b := c.Bound(ctx, c.Start.Add(timeout))
			defer b.Release(ended)
			return next(b, req, rsp)
		}
	}
}

// late is err, but for a call that was canceled at its end: grpc-go has two timers for a
// deadline, and the one that says canceled may come first.
func late(end time.Time, err error) error {
	if end.IsZero() || !errors.Is(err, context.Canceled) || time.Now().Before(end) {
		return err
	}
	return context.DeadlineExceeded
}
