package chain

import (
	"context"
	"time"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
)

// deadline bounds a unary call whose caller did not, and does not begin one that is
// over.
func deadline(timeout time.Duration) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, ok := ctx.Deadline(); ok || call.FromContext(ctx).Stream {
				return next(ctx, req, rsp)
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return next(ctx, req, rsp)
		}
	}
}
