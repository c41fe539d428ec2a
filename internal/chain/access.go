package chain

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"go-micro.dev/v5/server"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
)

// access writes a line for each call: what is our fault as an error, refusals and
// slow calls as info, all others for debugging: those that rpcerr.Answered. Of an internal
// error that no handler has written for its caller, the caller is told no more than the
// trace ID under which the log has it.
func access(log *slog.Logger, slow time.Duration, find *resource.Finder) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			c := call.FromContext(ctx)
			if c.Start.IsZero() {
				c.Start = time.Now()
			}
			var first *firstMessage
			if st, ok := rsp.(server.Stream); ok {
				first = &firstMessage{Stream: st}
				rsp = first
			}
			err := next(ctx, req, rsp)
			level := levelOf(err, !c.Stream && c.Took >= slow)
			if err == nil && !log.Enabled(ctx, level) {
				return nil
			}
			e := rpcerr.From(err)
			told, id := e, traceID(ctx)
			if e != nil && e.Hidden() {
				if id == "" {
					id = randomID()
				}
				told = e.WithMessage("internal error (trace %s)", id)
			}
			if log.Enabled(ctx, level) {
				msg := req.Body()
				if first != nil && first.msg != nil {
					msg = first.msg
				}
				log.LogAttrs(ctx, level, "call", attrs(c, e, id, touched(find, msg))...)
			}
			if told == nil {
				return nil
			}
			return told
		}
	}
}

func levelOf(err error, slow bool) slog.Level {
	switch code := rpcerr.Code(err); code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	default:
		if rpcerr.Answered(code) && !slow {
			return slog.LevelDebug
		}
		return slog.LevelInfo
	}
}

func attrs(c *call.Call, e *rpcerr.Error, id string, names []resource.Resource) []slog.Attr {
	all := []slog.Attr{
		slog.String("endpoint", c.Endpoint), slog.String("protocol", c.Protocol), slog.String("peer", c.Peer),
		slog.Duration("took", c.Took),
	}
	if identity := c.Identity(); identity != "" {
		all = append(all, slog.String("identity", identity))
	}
	if id != "" {
		all = append(all, slog.String("trace", id))
	}
	if len(names) > 0 {
		all = append(all, slog.String("resource", resource.List(names)))
	}
	if e == nil {
		return append(all, slog.String("code", rpcerr.Name(codes.OK)))
	}
	all = append(all, slog.String("code", rpcerr.Name(e.Code)), slog.String("reason", e.Reason), slog.String("message", e.Message))
	if cause := errors.Unwrap(e); cause != nil {
		all = append(all, slog.String("cause", cause.Error()))
	}
	return all
}

// traceID is that of the call's span, or empty.
func traceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// randomID has the form of a trace ID.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
