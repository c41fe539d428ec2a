package tracing_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/metadata"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/tracing"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	parent  = "00-" + traceID + "-" + spanID + "-01"
)

// spanContext is what a caller of ours is in.
func spanContext(t *testing.T) context.Context {
	t.Helper()
	tid, err := trace.TraceIDFromHex(traceID)
	if err != nil {
		t.Fatal(err)
	}
	sid, err := trace.SpanIDFromHex(spanID)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: tid, SpanID: sid, TraceFlags: trace.FlagsSampled}))
}

func TestPropagator(t *testing.T) {
	h := http.Header{}
	tracing.Propagator().Inject(spanContext(t), propagation.HeaderCarrier(h))
	if diff := cmp.Diff(http.Header{"Traceparent": {parent}, "B3": {traceID + "-" + spanID + "-1"}}, h); diff != "" {
		t.Errorf("injected (-want +got):\n%s", diff)
	}
	for name, h := range map[string]http.Header{
		"W3C": {"Traceparent": {parent}}, "B3": {"B3": {traceID + "-" + spanID + "-1"}},
		"B3, many headers": {"X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID}, "X-B3-Sampled": {"1"}},
		"both":             {"Traceparent": {parent}, "B3": {"1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-1"}}, // W3C is the standard
	} {
		sc := trace.SpanContextFromContext(tracing.Propagator().Extract(t.Context(), propagation.HeaderCarrier(h)))
		if sc.TraceID().String() != traceID || sc.SpanID().String() != spanID || !sc.IsSampled() {
			t.Errorf("%s: got %v", name, sc)
		}
	}
}

// spy is echo-srv that tells what the caller of a stream has sent along.
type spy struct {
	echo.Handler

	seen chan http.Header
}

func (s *spy) Chat(ctx context.Context, st echopb.Echo_ChatStream) error {
	s.seen <- call.FromContext(ctx).Header()
	return s.Handler.Chat(ctx, st)
}

func TestWrap(t *testing.T) {
	s := &spy{seen: make(chan http.Header, 1)}
	service := host.Service{Name: "echo-srv", Start: func(_ context.Context, h *host.Host) error { return echopb.RegisterEchoHandler(h.Server(), s) }}
	client := echopb.NewEchoService("echo-srv", hosttest.Run(t, nil, service).Client)

	t.Run("call", func(t *testing.T) {
		ctx := metadata.NewContext(spanContext(t), metadata.Metadata{"X-Tenant": "a", "Traceparent": "the one before"})
		rsp, err := client.Call(ctx, &echopb.CallRequest{Text: "metadata"})
		if err != nil {
			t.Fatal(err)
		}
		if got := rsp.GetMetadata(); got["Traceparent"] != parent || got["B3"] != traceID+"-"+spanID+"-1" || got["X-Tenant"] != "a" {
			t.Errorf("the service sees %v", got)
		}
		if md, _ := metadata.FromContext(ctx); md["Traceparent"] != "the one before" {
			t.Errorf("the caller's own metadata is now %v", md)
		}
	})
	t.Run("no span", func(t *testing.T) {
		rsp, err := client.Call(t.Context(), &echopb.CallRequest{Text: "metadata"})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Traceparent", "B3"} {
			if got, ok := rsp.GetMetadata()[name]; ok {
				t.Errorf("the service sees %s %q", name, got)
			}
		}
	})
	t.Run("stream", func(t *testing.T) {
		st, err := client.Chat(spanContext(t))
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		if got := (<-s.seen).Get("Traceparent"); got != parent {
			t.Errorf("the service sees %q", got)
		}
	})
}
