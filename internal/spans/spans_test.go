package spans_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/micro/platform/internal/spans"
)

func TestOff(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing set":       {},
		"no endpoint":       {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		"turned off":        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
		"traces turned off": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
	} {
		tracer, end, err := spans.Open(t.Context(), func(name string) string { return env[name] }, "kv-srv", "v1")
		if tracer != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, tracer, err)
			continue
		}
		if err := end(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProtocol(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
	_, _, err := spans.Open(t.Context(), func(name string) string { return env[name] }, "kv-srv", "v1")
	if want := `OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is not known (have http/protobuf, grpc)`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

// collector is where spans go: what was sent there, and its address.
func collector(t *testing.T, protocol string) (<-chan []byte, string) {
	t.Helper()
	sent := make(chan []byte, 10)
	if protocol != "grpc" {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil || r.URL.Path != "/v1/traces" {
				t.Errorf("got %s, %v", r.URL, err)
			}
			sent <- b
		}))
		t.Cleanup(s.Close)
		return sent, s.URL
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
		var in emptypb.Empty // keeps what it does not know
		if err := st.RecvMsg(&in); err != nil {
			return err
		}
		sent <- in.ProtoReflect().GetUnknown()
		return st.SendMsg(&emptypb.Empty{})
	}))
	go func() { _ = s.Serve(l) }() // ends with Stop
	t.Cleanup(s.Stop)
	return sent, "http://" + l.Addr().String()
}

func TestSend(t *testing.T) {
	for _, protocol := range []string{"", "http/protobuf", "grpc"} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			sent, url := collector(t, protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			tracer, end, err := spans.Open(t.Context(), os.Getenv, "kv-srv", "v1.2.3")
			if err != nil {
				t.Fatal(err)
			}
			_, sp := tracer.Start(t.Context(), "KV.Get")
			sp.End()
			if err := end(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := <-sent
			for _, want := range []string{"kv-srv", "v1.2.3", "KV.Get"} {
				if !bytes.Contains(got, []byte(want)) {
					t.Errorf("%q was not sent: %q", want, got)
				}
			}
		})
	}
}

// TestAway: a collector that is away holds up neither calls nor the end.
func TestAway(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	tracer, end, err := spans.Open(t.Context(), os.Getenv, "kv-srv", "v1")
	if err != nil {
		t.Fatal(err)
	}
	_, sp := tracer.Start(t.Context(), "KV.Get")
	sp.End()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_ = end(ctx) // may say that spans are lost, or have dropped them
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}
