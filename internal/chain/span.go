package chain

import (
	"context"
	"strings"

	"go-micro.dev/v5/server"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// span continues the caller's trace. Attributes are those of OpenTelemetry's
// semantic conventions for RPC.
func span(tracer trace.Tracer, from propagation.TextMapPropagator) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			c := call.FromContext(ctx)
			if traced(c.Headers) {
				ctx = from.Extract(ctx, propagation.HeaderCarrier(c.Header()))
			}
			if tracer == nil {
				return next(ctx, req, rsp)
			}
			service, method, _ := strings.Cut(c.Endpoint, ".")
			ctx, sp := tracer.Start(ctx, c.Endpoint, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
				attribute.String("rpc.system", c.Protocol), attribute.String("rpc.service", service),
				attribute.String("rpc.method", method), attribute.String("client.address", c.Peer)))
			defer sp.End()
			err := next(ctx, req, rsp)
			code := rpcerr.Code(err)
			sp.SetAttributes(attribute.Int("rpc.grpc.status_code", int(code)))
			if serverFault(code) {
				sp.SetStatus(otelcodes.Error, rpcerr.Name(code))
			}
			return err
		}
	}
}

// serverFault tells what counts as an error of the server's span from what is the
// caller's.
func serverFault(c codes.Code) bool {
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}

// traced spares the calls that bring no trace the search for one.
func traced(h call.Headers) bool {
	if all, ok := h.(call.HTTP); ok { // often empty, and without a closure, which is an allocation
		if len(all) > 0 { // else to range over it costs more than all that is around it
			for name := range all {
				if ofTrace(name) {
					return true
				}
			}
		}
		return false
	}
	found := false
	h.Each(func(name string, _ []string) { found = found || ofTrace(name) })
	return found
}

func ofTrace(name string) bool {
	switch name {
	case "Traceparent", "B3", "X-B3-Traceid", "X-B3-Sampled", "Baggage",
		"traceparent", "b3", "x-b3-traceid", "x-b3-sampled", "baggage":
		return true
	}
	return false
}
