package chain_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/rpcerr"
)

// measured returns the samples of reg under some names, and of histograms the sum and
// the count.
func measured(t *testing.T, reg *prometheus.Registry, names ...string) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var found []string
	for line := range strings.Lines(w.Body.String()) {
		if name, _, _ := strings.Cut(line, "{"); slices.Contains(names, name) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestMeasure(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics, err := chain.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	wrappers := chain.New(with(t, func(c *chain.Config) { c.Metrics, c.MaxStreams = metrics, 1 }))
	release, began := make(chan error), make(chan struct{})
	held := wrap(wrappers, func(context.Context, server.Request, any) error {
		began <- struct{}{}
		return <-release
	})
	if got := measured(t, reg, "rpc_server_in_flight", "rpc_server_requests_total", "rpc_server_duration_seconds_count"); got != "" {
		t.Errorf("before any call: got\n%s", got)
	}
	done := make(chan error, 2)
	go func() { done <- unary(t.Context(), held, call.HTTP{}) }()
	go func() { done <- stream(t.Context(), held, "a") }()
	<-began
	<-began
	want := `rpc_server_in_flight{endpoint="KV.Get",protocol="grpc"} 1
rpc_server_in_flight{endpoint="KV.Watch",protocol="mucp"} 1
rpc_server_requests_total{code="ok",endpoint="KV.Get",protocol="grpc"} 0
rpc_server_requests_total{code="ok",endpoint="KV.Watch",protocol="mucp"} 0
`
	if diff := cmp.Diff(want, measured(t, reg, "rpc_server_in_flight", "rpc_server_requests_total")); diff != "" {
		t.Errorf("two calls in flight (-want +got):\n%s", diff)
	}
	wantError(t, stream(t.Context(), held, "b"), codes.ResourceExhausted, "too_many_streams")
	release <- nil
	release <- nil
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		wantError(t, unary(t.Context(), wrap(wrappers, fails(rpcerr.New(codes.NotFound, "r", "m"))), call.HTTP{}), codes.NotFound, "r")
	}
	wantError(t, unary(t.Context(), wrap(wrappers, func(context.Context, server.Request, any) error { panic("as told") }), call.HTTP{}), codes.Internal, "panic")
	want = `rpc_server_in_flight{endpoint="KV.Get",protocol="grpc"} 0
rpc_server_in_flight{endpoint="KV.Watch",protocol="mucp"} 0
rpc_server_requests_total{code="internal",endpoint="KV.Get",protocol="grpc"} 1
rpc_server_requests_total{code="not_found",endpoint="KV.Get",protocol="grpc"} 3
rpc_server_requests_total{code="ok",endpoint="KV.Get",protocol="grpc"} 1
rpc_server_requests_total{code="ok",endpoint="KV.Watch",protocol="mucp"} 1
rpc_server_requests_total{code="resource_exhausted",endpoint="KV.Watch",protocol="mucp"} 1
`
	if diff := cmp.Diff(want, measured(t, reg, "rpc_server_in_flight", "rpc_server_requests_total")); diff != "" {
		t.Errorf("after all (-want +got):\n%s", diff)
	}
}

// TestDuration: how long a stream was open says nothing about the service.
func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		metrics, err := chain.NewMetrics(reg)
		if err != nil {
			t.Fatal(err)
		}
		h := wrap(chain.New(with(t, func(c *chain.Config) { c.Metrics = metrics })), took(3*time.Second))
		if err := unary(t.Context(), h, call.HTTP{}); err != nil {
			t.Fatal(err)
		}
		if err := stream(t.Context(), h, "a"); err != nil {
			t.Fatal(err)
		}
		want := `rpc_server_duration_seconds_sum{endpoint="KV.Get",protocol="grpc"} 3
rpc_server_duration_seconds_count{endpoint="KV.Get",protocol="grpc"} 1
rpc_server_duration_seconds_sum{endpoint="KV.Watch",protocol="mucp"} 0
rpc_server_duration_seconds_count{endpoint="KV.Watch",protocol="mucp"} 0
`
		if diff := cmp.Diff(want, measured(t, reg, "rpc_server_duration_seconds_sum", "rpc_server_duration_seconds_count")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestMetricsTwice(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := chain.NewMetrics(reg); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.NewMetrics(reg); err == nil {
		t.Error("two services count in one registry")
	}
}
