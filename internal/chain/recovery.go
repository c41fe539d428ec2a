package chain

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/rpcerr"
)

// recovery makes an internal error of a panic.
func recovery(log *slog.Logger) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) (err error) {
			defer func() {
				if p := recover(); p != nil {
					log.ErrorContext(ctx, "a handler panicked", "endpoint", req.Endpoint(), "panic", p, "stack", string(debug.Stack()))
					err = rpcerr.Fault("panic", fmt.Errorf("panic: %v", p))
				}
			}()
			return next(ctx, req, rsp)
		}
	}
}
