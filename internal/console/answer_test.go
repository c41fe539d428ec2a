package console_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// caller calls methods by the form of the console.
func (s *site) caller() func(service, method, request string) answer {
	s.t.Helper()
	cookie, token := s.browser("/call?service=echo-srv&method=Echo.Call")
	return func(service, method, request string) answer {
		s.t.Helper()
		return s.send("/call?service="+service+"&method="+method, cookie, url.Values{"token": {token}, "request": {request}})
	}
}

// TestCallStreams calls methods that take more than one message, or answer more than is
// shown.
func TestCallStreams(t *testing.T) {
	s := run(t, nil, echo.Service(&echo.Handler{}))
	call := s.caller()
	s.has(call("echo-srv", "Echo.Collect", "{}\n{} {}"), http.StatusOK, "A client stream method", "&#34;count&#34;: 3")
	s.has(call("echo-srv", "Echo.Collect", ""), http.StatusOK, "<code>{}</code>")
	s.has(call("echo-srv", "Echo.Collect", strings.Repeat("{}", 1000)), http.StatusOK, "&#34;count&#34;: 1000")
	s.has(call("echo-srv", "Echo.Collect", strings.Repeat("{}", 1001)), http.StatusBadRequest, "there are more than 1000 messages")
	s.has(call("echo-srv", "Echo.Collect", "{} nonsense"), http.StatusBadRequest, "request: not JSON")
	s.has(call("echo-srv", "Echo.Chat", `{"text":"one"}{"text":"two"}`), http.StatusOK, "A bidi method", "&#34;one&#34;", "&#34;two&#34;")
	s.has(call("echo-srv", "Echo.Count", `{"count":2,"code":9}`), http.StatusOK, "&#34;index&#34;: 1", "<code>failed_precondition</code>", "<code>test.told</code>")
	s.has(call("echo-srv", "Echo.Count", `{"count":1,"hold":true}`), http.StatusOK, "<pre", "The page has ended the stream after 5 s.")
	s.has(call("echo-srv", "Echo.Call", `{"code":13,"text":"its own words","reason":"test.internal"}`), http.StatusOK, "its own words", "<code>internal</code>", "<code>test.internal</code>")
	s.has(call("echo-srv", "Echo.Call", `{"panic":true}`), http.StatusOK, "<code>internal</code>")
	s.has(call("echo-srv", "Echo.Call", `{"text":"\u202e<script>"}`), http.StatusOK, `\u202e&lt;script&gt;`)

	const shown = 256 << 10
	got := call("echo-srv", "Echo.Call", `{"text":"`+strings.Repeat("x", shown)+`"}`)
	s.has(got, http.StatusOK, "There may be more: the page has ended the call.")
	for what, got := range map[string]answer{"a message": got, "messages": call("echo-srv", "Echo.Count", `{"count":90,"size":10000}`)} {
		_, messages, _ := strings.Cut(got.body, `aria-label="Answer"`)
		if len(messages) < shown*9/10 || len(messages) > shown*2 || !strings.Contains(messages, "There may be more") {
			t.Errorf("of %s, %d bytes are shown", what, len(messages))
		}
	}
}

// TestPlainService is one of go-micro's own server, which tells no contract.
func TestPlainService(t *testing.T) {
	s := run(t, nil, echo.Service(&echo.Handler{}))
	plain := server.NewServer(server.Name("plain"), server.Address("127.0.0.1:0"), server.Registry(s.Registry), server.WithLogger(microlog.New(slog.New(slog.DiscardHandler))))
	if err := plain.Handle(plain.NewHandler(&Greeter{})); err != nil {
		t.Fatal(err)
	}
	if err := plain.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Stop() })
	s.await("/", `href="service?name=plain"`)
	got := s.get("/service?name=plain")
	s.has(got, http.StatusOK, "Greeter.Hello", "contract", `class="state unknown"`)
	if strings.Contains(got.body, `href="call?`) {
		t.Error("it has a form to call it")
	}
	if got := s.caller()("plain", "Greeter.Hello", "{}"); got.status < 500 || !strings.Contains(got.body, "contract") {
		t.Errorf("got %d\n%s", got.status, got.body)
	}
}

// Greeter has an endpoint.
type Greeter struct{}

// Hello is that.
func (*Greeter) Hello(_ context.Context, _, _ *struct{}) error { return nil }

// unsteady is a registry that fails when told.
type unsteady struct {
	registry.Registry

	mu  sync.Mutex
	err error
}

func (u *unsteady) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func (u *unsteady) ListServices(opts ...registry.ListOption) ([]*registry.Service, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return nil, u.err
	}
	return u.Registry.ListServices(opts...)
}

// TestRegistryAway: the first page says why the registry cannot be asked, and shows who
// was known before.
func TestRegistryAway(t *testing.T) {
	reg := &unsteady{Registry: registry.NewMemoryRegistry(), err: errors.New("<b>no registry</b>")}
	s := runOn(t, reg)
	if got := s.await("/", "&lt;b&gt;no registry&lt;/b&gt;"); got.status != http.StatusOK || strings.Contains(got.body, "No services") {
		t.Errorf("what could not be told is said to be none:\n%s", got.body)
	}
	reg.fail(nil)
	s.await("/", `href="service?name=console"`)
	reg.fail(errors.New("gone again"))
	s.has(s.await("/", "gone again"), http.StatusOK, `href="service?name=console"`, "1 service, 1 instance, all ready")
}

// runOn runs the console alone, on a registry.
func runOn(t *testing.T, reg registry.Registry) *site {
	t.Helper()
	started, done := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	data := t.TempDir()
	process := host.Process{
		Getenv: func(name string) string {
			return map[string]string{"CONSOLE_ADDRESS": "127.0.0.1:0", "PLATFORM_DATA": data}[name]
		},
		Stderr: io.Discard, Registry: reg, Started: func(all []host.Running) { started <- all[0].Address },
	}
	go func() { done <- host.Run(ctx, process, console.Service()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	select {
	case address := <-started:
		return &site{t: t, base: "http://" + address, transport: http.DefaultTransport}
	case err := <-done:
		done <- nil
		t.Fatalf("start: %v", err)
		return nil
	}
}

// forwarder passes connections on to an address, but for those of HTTP/2 while they are held.
type forwarder struct {
	net.Listener

	to   string
	held chan struct{} // gets one for each
	mu   sync.Mutex
	hold bool
}

func forward(t *testing.T, to string) *forwarder {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{Listener: l, to: to, held: make(chan struct{}, 100), hold: true}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { f.serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		stop()
		conns.Wait()
	})
	return f
}

func (f *forwarder) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := bufio.NewReader(conn)
	first, err := in.Peek(3)
	if err != nil {
		return
	}
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if string(first) == "PRI" && hold {
		f.held <- struct{}{}
		_, _ = io.Copy(io.Discard, in) // until the caller leaves
		return
	}
	out, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.to)
	if err != nil {
		return
	}
	defer out.Close()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(conn, out)
		_ = conn.Close()
	})
	_, _ = io.Copy(out, in)
	_ = out.Close()
	both.Wait()
}

// TestContractLeft: whoever did not wait for a contract has not found that there is none.
func TestContractLeft(t *testing.T) {
	s := run(t, nil, echo.Service(&echo.Handler{}))
	f := forward(t, s.Address("echo-srv"))
	s.register("slow-srv", f.Addr().String())
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/call?service=slow-srv&method=Echo.Call", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		rsp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			err = errors.Join(fmt.Errorf("got %s", rsp.Status), rsp.Body.Close())
		}
		left <- err
	}()
	<-f.held
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.hold = false
	f.mu.Unlock()
	s.has(s.get("/call?service=slow-srv&method=Echo.Call"), http.StatusOK, "A unary method")
}

// TestStopEndsStreams: what follows does not hold up the console when it stops.
func TestStopEndsStreams(t *testing.T) {
	ctx := t.Context()
	t.Run("while it runs", func(t *testing.T) {
		s := run(t, map[string]string{"PLATFORM_DRAIN": "10m"}, kvserver.Service()) // more than tests have
		for _, path := range []string{"/", "/kv/watch?namespace=default", "/kv/keys?namespace=default"} {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/event-stream")
			rsp, err := (&http.Client{}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(rsp.Body).ReadString('\n'); err != nil || rsp.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("%s: got %q, %v", path, line, err)
			}
		}
	})
}
