package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	microclient "go-micro.dev/v5/client"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// counting is echo-srv that counts its calls.
type counting struct {
	echo.Handler

	calls atomic.Int64
}

func (c *counting) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	c.calls.Add(1)
	return c.Handler.Call(ctx, req, rsp)
}

// run starts echo-srv and returns how often it was called and how to call it.
func run(t *testing.T) (*counting, *hosttest.Platform) {
	t.Helper()
	h := &counting{}
	return h, hosttest.Run(t, nil, host.Service{Name: "echo-srv", Start: func(_ context.Context, to *host.Host) error {
		return echopb.RegisterEchoHandler(to.Server(), h)
	}})
}

// call calls c as a client of ours does.
func call(ctx context.Context, c microclient.Client, idempotent bool, req *echopb.CallRequest, opts ...microclient.CallOption) (*echopb.CallResponse, *rpcerr.Error) {
	rsp, err := echopb.NewEchoService("echo-srv", c).Call(ctx, req, append(client.Unary(ctx, idempotent), opts...)...)
	return rsp, client.Error(err)
}

func TestDeadline(t *testing.T) {
	_, p := run(t)
	for name, own := range map[string]time.Duration{"none": 0, "short": 2 * time.Second, "long": time.Hour} {
		t.Run(name, func(t *testing.T) {
			ctx, most := t.Context(), client.DefaultTimeout
			if own > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, own)
				defer cancel()
				most = own
			}
			rsp, err := call(ctx, p.Client, false, &echopb.CallRequest{Text: "metadata"})
			if err != nil {
				t.Fatal(err)
			}
			if left := rsp.GetLeft().AsDuration(); rsp.Left == nil || left > most || left < most-time.Second {
				t.Errorf("the service has %v left of %v", left, most)
			}
		})
	}
}

// TestLate: a call ends with its deadline, also if the service says nothing. (One that
// answers in that very moment shows a data race of go-micro's client.)
func TestLate(t *testing.T) {
	h, p := run(t)
	for _, idempotent := range []bool{false, true} {
		opt, tried := firstly(reads(t, func(net.Conn) { <-t.Context().Done() }))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		if _, err := call(ctx, p.Client, idempotent, &echopb.CallRequest{}, opt); codeOf(err) != codes.DeadlineExceeded {
			t.Errorf("got %v, want deadline_exceeded", err)
		}
		cancel()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("a call with 100ms took %v", took)
		}
		if got := tried.Load(); got != 1 {
			t.Errorf("tried %d times", got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if _, err := call(ctx, p.Client, true, &echopb.CallRequest{}); codeOf(err) != codes.DeadlineExceeded || h.calls.Load() > 0 {
		t.Errorf("a call that is over before it begins: got %v, %d calls", err, h.calls.Load())
	}
}

// firstly makes a client try addresses in this order.
func firstly(addresses ...string) (microclient.CallOption, *atomic.Int64) {
	var tried atomic.Int64
	return microclient.WithSelectOption(selector.WithStrategy(func([]*registry.Service) selector.Next {
		return func() (*registry.Node, error) {
			i := min(int(tried.Add(1)), len(addresses)) - 1
			return &registry.Node{Address: addresses[i], Metadata: map[string]string{"protocol": "mucp"}}, nil
		}
	})), &tried
}

// nobody is an address where no server is.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// hangUp is a server that reads requests, and closes.
func hangUp(t *testing.T) string {
	t.Helper()
	return reads(t, func(net.Conn) {})
}

// reads is a server that does no more than to read a request before it calls then.
func reads(t *testing.T, then func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					t.Error(err)
				}
				then(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func TestRetries(t *testing.T) {
	h, p := run(t)
	live := p.Address("echo-srv")
	refusal := func(c codes.Code) *echopb.CallRequest {
		return &echopb.CallRequest{Code: int32(c), Reason: "test.told"}
	}
	tests := map[string]struct {
		addresses  []string
		req        *echopb.CallRequest
		tried      [2]int64 // not idempotent, idempotent
		calls      [2]int64
		want, then codes.Code
	}{
		"well":             {[]string{live}, &echopb.CallRequest{Text: "hi"}, [2]int64{1, 1}, [2]int64{1, 1}, codes.OK, codes.OK},
		"away, then there": {[]string{nobody(t), live}, &echopb.CallRequest{Text: "hi"}, [2]int64{2, 2}, [2]int64{1, 1}, codes.OK, codes.OK},
		"away for longer":  {[]string{nobody(t), nobody(t), live}, &echopb.CallRequest{Text: "hi"}, [2]int64{3, 3}, [2]int64{1, 1}, codes.OK, codes.OK},
		"away":             {[]string{nobody(t)}, &echopb.CallRequest{Text: "hi"}, [2]int64{3, 3}, [2]int64{}, codes.Unavailable, codes.Unavailable},
		"lost, then there": {[]string{hangUp(t), live}, &echopb.CallRequest{Text: "hi"}, [2]int64{1, 2}, [2]int64{0, 1}, codes.Unavailable, codes.OK},
		"draining":         {[]string{live}, refusal(codes.Unavailable), [2]int64{1, 3}, [2]int64{1, 3}, codes.Unavailable, codes.Unavailable},
		"refused":          {[]string{live}, refusal(codes.ResourceExhausted), [2]int64{1, 1}, [2]int64{1, 1}, codes.ResourceExhausted, codes.ResourceExhausted},
		"a fault":          {[]string{live}, refusal(codes.Internal), [2]int64{1, 1}, [2]int64{1, 1}, codes.Internal, codes.Internal},
		"a panic":          {[]string{live}, &echopb.CallRequest{Panic: true}, [2]int64{1, 1}, [2]int64{1, 1}, codes.Internal, codes.Internal},
		"too late":         {[]string{live}, refusal(codes.DeadlineExceeded), [2]int64{1, 1}, [2]int64{1, 1}, codes.DeadlineExceeded, codes.DeadlineExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for i, want := range []codes.Code{tt.want, tt.then} {
				opt, tried := firstly(tt.addresses...)
				before := h.calls.Load()
				_, err := call(t.Context(), p.Client, i == 1, tt.req, opt)
				if got := codeOf(err); got != want {
					t.Errorf("idempotent %v: got %v, want %v", i == 1, err, want)
				}
				if got := tried.Load(); got != tt.tried[i] {
					t.Errorf("idempotent %v: tried %d times, want %d", i == 1, got, tt.tried[i])
				}
				if got := h.calls.Load() - before; got != tt.calls[i] {
					t.Errorf("idempotent %v: the service was called %d times, want %d", i == 1, got, tt.calls[i])
				}
			}
		})
	}
}

func codeOf(e *rpcerr.Error) codes.Code {
	if e == nil {
		return codes.OK
	}
	return e.Code
}

// TestAnswers: what a service answers arrives as it was.
func TestAnswers(t *testing.T) {
	_, p := run(t)
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code == codes.Internal { // of which the caller is told no more than a trace
			continue
		}
		_, err := call(t.Context(), p.Client, false, &echopb.CallRequest{Code: int32(code), Reason: "test.told", Text: "as told: 100%"})
		want := rpcerr.New(code, "test.told", "as told: 100%%")
		if diff := cmp.Diff(want, err, cmpopts.IgnoreUnexported(rpcerr.Error{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", code, diff)
		}
	}
}

// TestNoAnswer: what no service has answered.
func TestNoAnswer(t *testing.T) {
	_, p := run(t)
	alone := client.New(registry.NewMemoryRegistry(), nil, slog.New(slog.DiscardHandler))
	if _, err := call(t.Context(), alone, false, &echopb.CallRequest{}); err == nil || err.Code != codes.Unavailable || err.Reason != "unreachable" {
		t.Errorf("nobody is registered: got %v", err)
	}
	for name, address := range map[string]string{"away": nobody(t), "hangs up": hangUp(t), "not an address": "nowhere:port"} {
		_, err := call(t.Context(), p.Client, false, &echopb.CallRequest{}, microclient.WithAddress(address))
		if err == nil || err.Code != codes.Unavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestError(t *testing.T) {
	own := rpcerr.New(codes.NotFound, "kv.not_found", "gone")
	lost := errors.New("read: connection reset by peer")
	tests := map[string]struct {
		in     error
		code   codes.Code
		reason string
	}{
		"ours":                     {fmt.Errorf("get: %w", own), codes.NotFound, "kv.not_found"},
		"of a service":             {own.Micro(), codes.NotFound, "kv.not_found"},
		"of an old service":        {merrors.Forbidden("go.micro.srv.old", "no"), codes.PermissionDenied, "go.micro.srv.old"},
		"of gRPC":                  {status.Error(codes.Aborted, "moved"), codes.Aborted, ""},
		"no node":                  {merrors.InternalServerError("go.micro.client", "service kv-srv: not found"), codes.Unavailable, "unreachable"},
		"no connection":            {merrors.InternalServerError("go.micro.client", "connection error: dial tcp"), codes.Unavailable, "unreachable"},
		"the transport":            {merrors.InternalServerError("go.micro.client.transport", "EOF"), codes.Unavailable, "unreachable"},
		"go-micro's own deadline":  {merrors.Timeout("go.micro.client", "call timeout: context deadline exceeded"), codes.DeadlineExceeded, "deadline_exceeded"},
		"the deadline":             {fmt.Errorf("call: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "deadline_exceeded"},
		"the caller left":          {context.Canceled, codes.Canceled, "canceled"},
		"anything else is a break": {lost, codes.Unavailable, "connection_lost"},
	}
	for name, tt := range tests {
		if got := client.Error(tt.in); got.Code != tt.code || got.Reason != tt.reason {
			t.Errorf("%s: got %v with reason %q, want %v with %q", name, got, got.Reason, tt.code, tt.reason)
		}
	}
	if !errors.Is(client.Error(lost), lost) {
		t.Error("the cause is lost")
	}
	if err := client.Error(nil); err != nil {
		t.Errorf("got %v for nil", err)
	}
}
