// Package chain wraps every RPC of a service in what all services share.
package chain

import (
	"context"
	"log/slog"
	"time"

	"go-micro.dev/v5/server"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/resource"
)

// Config says how a service treats its calls.
type Config struct {
	Log     *slog.Logger
	Metrics *Metrics

	// Tracer makes a span for each call; nil: none, the caller's is passed on.
	Tracer trace.Tracer
	// Propagator finds the caller's span in the headers.
	Propagator propagation.TextMapPropagator

	// Authorize decides whether a call may touch what it names, and may put its
	// identity into the context. It runs before a unary handler, and at the first
	// message of a stream (what it puts into the context is lost there). nil: all may.
	Authorize func(ctx context.Context, c *call.Call, touched []resource.Resource) (context.Context, error)

	MaxCalls   int                        // unary calls at once
	MaxStreams int                        // streams at once
	Vital      func(endpoint string) bool // calls that neither bound refuses; nil: none
	Timeout    time.Duration              // of a unary call without a deadline
	Slow       time.Duration              // a unary call that takes longer is logged
}

// New returns the wrappers, the first outermost. They expect a call.Call in the
// context. Recovery is around all code that is not ours, so that the wrappers outside of
// it see a panic as an error.
func New(c Config) []server.HandlerWrapper {
	find := &resource.Finder{}
	if c.Vital == nil {
		c.Vital = func(string) bool { return false }
	}
	return []server.HandlerWrapper{
		span(c.Tracer, c.Propagator),
		access(c.Log, c.Slow, find),
		measure(c.Metrics),
		limit(c.MaxCalls, c.MaxStreams, c.Vital),
		recovery(c.Log),
		authorize(c.Authorize, find),
		deadline(c.Timeout),
	}
}

// touched returns what a request names.
func touched(find *resource.Finder, msg any) []resource.Resource {
	m, ok := msg.(proto.Message)
	if !ok {
		return nil
	}
	return find.Of(m)
}

// firstMessage shows the first message of a stream before the handler has it. What see
// refuses ends the stream for the handler.
type firstMessage struct {
	server.Stream
	see     func(msg any) error // nil: it is only kept
	msg     any                 // nil: none has come
	refused error
}

func (f *firstMessage) Recv(msg any) error {
	if f.refused != nil {
		return f.refused
	}
	if err := f.Stream.Recv(msg); err != nil || f.msg != nil {
		return err
	}
	f.msg = msg
	if f.see != nil {
		f.refused = f.see(msg)
	}
	return f.refused
}
