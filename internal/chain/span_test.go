package chain_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/rpcerr"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

// parents are the ways in which a caller can name its span.
var parents = map[string]call.HTTP{
	"W3C":                {"Traceparent": {"00-" + traceID + "-" + spanID + "-01"}},
	"W3C over gRPC":      {"traceparent": {"00-" + traceID + "-" + spanID + "-01"}},
	"B3":                 {"B3": {traceID + "-" + spanID + "-1"}},
	"B3 over gRPC":       {"b3": {traceID + "-" + spanID + "-1"}},
	"B3, many headers":   {"X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID}, "X-B3-Sampled": {"1"}},
	"B3, many over gRPC": {"x-b3-traceid": {traceID}, "x-b3-spanid": {spanID}, "x-b3-sampled": {"1"}},
}

// recorder makes a chain's tracer.
func recorder(t *testing.T) (*tracetest.SpanRecorder, trace.Tracer) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	return r, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("test")
}

// inside is a handler that tells of its span.
func inside(sc *trace.SpanContext) server.HandlerFunc {
	return func(ctx context.Context, _ server.Request, _ any) error {
		*sc = trace.SpanContextFromContext(ctx)
		return nil
	}
}

func TestParent(t *testing.T) {
	for name, header := range parents {
		t.Run(name, func(t *testing.T) {
			spans, tracer := recorder(t)
			var sc trace.SpanContext
			h := wrap(chain.New(with(t, func(c *chain.Config) { c.Tracer = tracer })), inside(&sc))
			if err := unary(t.Context(), h, header); err != nil {
				t.Fatal(err)
			}
			ended := spans.Ended()
			if len(ended) != 1 || ended[0].SpanContext().SpanID() != sc.SpanID() {
				t.Fatalf("got spans %v, and in the handler %v", ended, sc.SpanID())
			}
			p := ended[0].Parent()
			if p.TraceID().String() != traceID || p.SpanID().String() != spanID || !p.IsRemote() || sc.TraceID().String() != traceID {
				t.Errorf("got parent %v in trace %v", p, sc.TraceID())
			}
			// Without a tracer the caller's span is passed on as it is.
			h = wrap(chain.New(with(t, nil)), inside(&sc))
			if err := unary(t.Context(), h, header); err != nil {
				t.Fatal(err)
			}
			if sc.TraceID().String() != traceID || sc.SpanID().String() != spanID {
				t.Errorf("without a tracer: got %v", sc)
			}
		})
	}
}

func TestNoParent(t *testing.T) {
	for name, header := range map[string]call.HTTP{
		"none": {"Authorization": {"Bearer x"}}, "malformed": {"Traceparent": {"00-zz-zz-01"}, "B3": {"no"}}, "empty": {"B3": {""}},
	} {
		t.Run(name, func(t *testing.T) {
			spans, tracer := recorder(t)
			var sc trace.SpanContext
			h := wrap(chain.New(with(t, func(c *chain.Config) { c.Tracer = tracer })), inside(&sc))
			if err := unary(t.Context(), h, header); err != nil {
				t.Fatal(err)
			}
			ended := spans.Ended()
			if len(ended) != 1 || ended[0].Parent().IsValid() || !sc.IsValid() {
				t.Errorf("got spans %v, want one without a parent", ended)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	fault := map[codes.Code]bool{
		codes.OK: false, codes.NotFound: false, codes.PermissionDenied: false, codes.ResourceExhausted: false, codes.Canceled: false,
		codes.Internal: true, codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Unknown: true, codes.DataLoss: true, codes.Unimplemented: true,
	}
	for code, isFault := range fault {
		t.Run(code.String(), func(t *testing.T) {
			spans, tracer := recorder(t)
			var answer error
			if code != codes.OK {
				answer = rpcerr.New(code, "r", "m")
			}
			h := wrap(chain.New(with(t, func(c *chain.Config) { c.Tracer = tracer })), fails(answer))
			if got := rpcerr.Code(unary(t.Context(), h, call.HTTP{})); got != code {
				t.Fatalf("got %v", got)
			}
			sp := spans.Ended()[0]
			if sp.Name() != "KV.Get" || sp.SpanKind() != trace.SpanKindServer {
				t.Errorf("got span %q of kind %v", sp.Name(), sp.SpanKind())
			}
			want := []attribute.KeyValue{
				attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", "KV"), attribute.String("rpc.method", "Get"),
				attribute.String("client.address", "127.0.0.1:4711"), attribute.Int("rpc.grpc.status_code", int(code)),
			}
			if diff := cmp.Diff(want, sp.Attributes(), cmp.AllowUnexported(attribute.Value{})); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			status := sdktrace.Status{}
			if isFault {
				status = sdktrace.Status{Code: otelcodes.Error, Description: rpcerr.Name(code)}
			}
			if got := sp.Status(); got != status {
				t.Errorf("got status %v, want %v", got, status)
			}
		})
	}
}

// TestTold: the trace that the caller of a failed call is told is that of the span.
func TestTold(t *testing.T) {
	spans, tracer := recorder(t)
	h := wrap(chain.New(with(t, func(c *chain.Config) { c.Tracer = tracer })), func(context.Context, server.Request, any) error { panic("as told") })
	e := rpcerr.From(unary(t.Context(), h, call.HTTP{}))
	if got := "internal error (trace " + spans.Ended()[0].SpanContext().TraceID().String() + ")"; got != e.Message {
		t.Errorf("the span says %q, the caller is told %q", got, e.Message)
	}
}
