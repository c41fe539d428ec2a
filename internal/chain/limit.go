package chain

import (
	"context"
	"sync/atomic"
	"time"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// limit refuses calls over a number at once, which costs less than to serve them late. Those
// that are vital count, and are not refused.
func limit(calls, streams int, vital func(endpoint string) bool) server.HandlerWrapper {
	var openCalls, openStreams atomic.Int64
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			open, most, what := &openCalls, calls, "calls"
			if call.FromContext(ctx).Stream {
				open, most, what = &openStreams, streams, "streams"
			}
			defer open.Add(-1)
			if open.Add(1) > int64(most) && !vital(call.FromContext(ctx).Endpoint) {
				return rpcerr.New(codes.ResourceExhausted, "too_many_"+what, "more than %d %s at once: try again in a second", most, what).Retry(time.Second)
			}
			return next(ctx, req, rsp)
		}
	}
}
