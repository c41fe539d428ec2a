package port_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// paged starts an echo-srv whose chain change may change.
func paged(t *testing.T, change func(*chain.Config)) (*port.Server, *prometheus.Registry) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	m, err := chain.NewMetrics(metrics)
	if err != nil {
		t.Fatal(err)
	}
	conf := chain.Config{Log: slog.New(slog.DiscardHandler), Metrics: m, MaxCalls: 10, MaxStreams: 10, Timeout: time.Minute, Slow: time.Minute}
	if change != nil {
		change(&conf)
	}
	c := config()
	c.Wrappers = chain.New(conf)
	return serve(t, c, with(&echo.Handler{})), metrics
}

// visit is a request for a page.
func visit(t *testing.T, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/page", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func wantCode(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	if e := rpcerr.From(err); e == nil || e.Code != code || e.Reason != reason {
		t.Errorf("got %v, want %v, %s", err, code, reason)
	}
}

// count streams n messages to a page, with what it emits.
func count(ctx context.Context, t *testing.T, s *port.Server, req *echopb.CountRequest, emit func(proto.Message) error) error {
	t.Helper()
	return s.Stream(ctx, visit(t), "Echo.Count", req, emit)
}

func TestPageCall(t *testing.T) {
	s, metrics := paged(t, nil)
	rsp := &echopb.CallResponse{}
	if err := s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{Text: "hello"}, rsp); err != nil || rsp.GetText() != "hello" {
		t.Errorf("got %v, %v", rsp, err)
	}
	err := s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{Code: int32(codes.NotFound), Reason: "test.none", Text: "no such thing"}, rsp)
	wantCode(t, err, codes.NotFound, "test.none")
	err = s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{Panic: true}, rsp)
	wantCode(t, err, codes.Internal, "panic")
	var got []int32
	if err := count(t.Context(), t, s, &echopb.CountRequest{Count: 3}, func(m proto.Message) error {
		got = append(got, m.(*echopb.CountResponse).GetIndex())
		return nil
	}); err != nil || !slices.Equal(got, []int32{0, 1, 2}) {
		t.Errorf("the stream has %v, %v", got, err)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`rpc_server_requests_total{code="internal",endpoint="Echo.Call",protocol="page"} 1`,
		`rpc_server_requests_total{code="not_found",endpoint="Echo.Call",protocol="page"} 1`,
		`rpc_server_requests_total{code="ok",endpoint="Echo.Call",protocol="page"} 1`,
		`rpc_server_requests_total{code="ok",endpoint="Echo.Count",protocol="page"} 1`,
		`rpc_server_in_flight{endpoint="Echo.Call",protocol="page"} 0`,
		`rpc_server_in_flight{endpoint="Echo.Count",protocol="page"} 0`,
		`rpc_server_duration_seconds_count{endpoint="Echo.Call",protocol="page"} 3`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in:\n%s", want, w.Body.String())
		}
	}
}

// TestPageHeaders: a handler, and whom it calls, hears nothing of what is between the
// browser and the page.
func TestPageHeaders(t *testing.T) {
	s, _ := paged(t, nil)
	r := visit(t, "Cookie", "platform_form=s3cret", "Cookie", "session=s3cret", "X-Team", "billing", "User-Agent", "browser", "Accept", "text/html", "Remote", "10.0.0.1:1")
	rsp := &echopb.CallResponse{}
	if err := s.Call(t.Context(), r, "Echo.Call", &echopb.CallRequest{Text: "metadata"}, rsp); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"X-Team": "billing", "Remote": r.RemoteAddr}, rsp.GetMetadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if got := r.Header.Values("Cookie"); len(got) != 2 {
		t.Errorf("the page's own request has lost its cookies: %q", got)
	}
}

// TestPageAuthorized: whoever asks for a page may do no more than at any other door.
func TestPageAuthorized(t *testing.T) {
	type seen struct{ Endpoint, Protocol, Peer, Identity, Touched, Cookie string }
	var all []seen
	s, _ := paged(t, func(c *chain.Config) {
		c.Authorize = func(ctx context.Context, c *call.Call, touched []resource.Resource) (context.Context, error) {
			all = append(all, seen{c.Endpoint, c.Protocol, c.Peer, c.Identity(), resource.List(touched), c.Header().Get("Cookie")})
			return ctx, rpcerr.New(codes.PermissionDenied, "auth.policy", "you may not")
		}
	})
	r := visit(t, "Cookie", "a=b")
	leaf := &x509.Certificate{DNSNames: []string{"ops.test"}}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	rsp := &echopb.CallResponse{}
	wantCode(t, s.Call(t.Context(), r, "Echo.Call", &echopb.CallRequest{Text: "secret"}, rsp), codes.PermissionDenied, "auth.policy")
	if rsp.GetText() != "" {
		t.Errorf("the page gets %v", rsp)
	}
	r.TLS.VerifiedChains = nil // nobody has checked it
	wantCode(t, s.Stream(t.Context(), r, "Echo.Count", &echopb.CountRequest{Count: 1}, func(m proto.Message) error {
		t.Errorf("the page gets %v", m)
		return nil
	}), codes.PermissionDenied, "auth.policy")
	if diff := cmp.Diff([]seen{
		{"Echo.Call", "page", r.RemoteAddr, "ops.test", "default/secret", ""}, {"Echo.Count", "page", r.RemoteAddr, "", "", ""},
	}, all); diff != "" {
		t.Errorf("the hook has seen (-want +got):\n%s", diff)
	}
}

func TestPageDeadline(t *testing.T) {
	s, _ := paged(t, func(c *chain.Config) { c.Timeout = 50 * time.Millisecond })
	err := s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{Sleep: durationpb.New(time.Hour)}, &echopb.CallResponse{})
	wantCode(t, err, codes.DeadlineExceeded, "deadline_exceeded")
	rsp := &echopb.CallResponse{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // of the page itself
	defer cancel()
	if err := s.Call(ctx, visit(t), "Echo.Call", &echopb.CallRequest{Text: "metadata"}, rsp); err != nil || rsp.GetLeft().AsDuration() < time.Minute {
		t.Errorf("got %v, %v", rsp.GetLeft().AsDuration(), err)
	}
}

func TestPageLimits(t *testing.T) {
	s, _ := paged(t, func(c *chain.Config) { c.MaxCalls, c.MaxStreams = 1, 1 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- s.Stream(ctx, visit(t), "Echo.Count", &echopb.CountRequest{Count: 1, Hold: true}, func(proto.Message) error {
			begun <- struct{}{}
			return nil
		})
	}()
	receive(t, begun, "the stream")
	err := count(t.Context(), t, s, &echopb.CountRequest{Count: 1}, func(proto.Message) error { return nil })
	if rpcerr.Code(err) != codes.ResourceExhausted {
		t.Errorf("a second stream: got %v", err)
	}
	if err := s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{}, &echopb.CallResponse{}); err != nil {
		t.Errorf("a call beside it: %v", err)
	}
	cancel()
	wantCode(t, receive(t, ended, "the end of the stream"), codes.Canceled, "canceled")
}

// TestPageMistaken: a page that asks for what the service has not gets an error that is
// for its author.
func TestPageMistaken(t *testing.T) {
	s, _ := paged(t, nil)
	none := func(m proto.Message) error {
		t.Errorf("got %v", m)
		return nil
	}
	ctx := t.Context()
	for name, err := range map[string]error{
		"no such endpoint":   s.Call(ctx, visit(t), "Echo.None", &echopb.CallRequest{}, &echopb.CallResponse{}),
		"unknown":            s.Call(ctx, visit(t), "unknown", &echopb.CallRequest{}, &echopb.CallResponse{}),
		"another request":    s.Call(ctx, visit(t), "Echo.Call", &echopb.CountRequest{}, &echopb.CallResponse{}),
		"another response":   s.Call(ctx, visit(t), "Echo.Call", &echopb.CallRequest{}, &echopb.CountResponse{}),
		"a stream as a call": s.Call(ctx, visit(t), "Echo.Count", &echopb.CountRequest{}, &echopb.CountResponse{}),
		"a call as a stream": s.Stream(ctx, visit(t), "Echo.Call", &echopb.CallRequest{}, none),
		"both ways":          s.Stream(ctx, visit(t), "Echo.Chat", &echopb.ChatRequest{}, none),
		"no such stream":     s.Stream(ctx, visit(t), "Echo.None", &echopb.CountRequest{}, none),
		"another message":    s.Stream(ctx, visit(t), "Echo.Count", &echopb.ChatRequest{}, none),
	} {
		if err == nil || rpcerr.Code(err) != codes.Internal {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPageStreamEnds: by an error of the page, or by the handler's.
func TestPageStreamEnds(t *testing.T) {
	s, _ := paged(t, nil)
	full, emitted := errors.New("the page is full"), 0
	if err := count(t.Context(), t, s, &echopb.CountRequest{Count: 5}, func(proto.Message) error {
		emitted++
		return full
	}); !errors.Is(err, full) || emitted != 1 {
		t.Errorf("got %v after %d messages", err, emitted)
	}
	wantCode(t, count(t.Context(), t, s, &echopb.CountRequest{Count: 1, Code: int32(codes.Unavailable)}, func(proto.Message) error { return nil }),
		codes.Unavailable, "test.told")
}

// TestPageDraining: a page that follows is told to go elsewhere when the server stops.
func TestPageDraining(t *testing.T) {
	s := port.New(context.WithoutCancel(t.Context()), config())
	if err := errors.Join(with(&echo.Handler{})(s), s.Start()); err != nil {
		t.Fatal(err)
	}
	begun, ended, stopped := make(chan struct{}, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- s.Stream(t.Context(), visit(t), "Echo.Count", &echopb.CountRequest{Count: 1, Hold: true}, func(proto.Message) error {
			begun <- struct{}{}
			return nil
		})
	}()
	receive(t, begun, "the stream")
	go func() { stopped <- s.Stop() }()
	wantCode(t, receive(t, ended, "the end of the stream"), codes.Unavailable, "draining")
	if err := receive(t, stopped, "the end of the server"); err != nil {
		t.Error(err)
	}
}
