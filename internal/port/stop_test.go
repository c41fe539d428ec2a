package port_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// holding is echo-srv whose unary calls last until they are released.
type holding struct {
	echo.Handler

	began   chan string
	release chan struct{}
}

func (h *holding) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	h.began <- req.GetText()
	<-h.release
	return h.Handler.Call(ctx, req, rsp)
}

// start starts a server that the test stops.
func start(t *testing.T, c port.Config, h echopb.EchoHandler) *port.Server {
	t.Helper()
	s := port.New(context.WithoutCancel(t.Context()), c)
	if err := with(h)(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// unaries make a call at each door, and return the answer's text.
func unaries(t *testing.T, address string) map[string]func() (string, error) {
	t.Helper()
	conn := dial(t, address)
	return map[string]func() (string, error){
		"gRPC": func() (string, error) {
			out := new(echopb.CallResponse)
			err := conn.Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: "gRPC"}, out)
			return out.GetText(), err
		},
		"go-micro RPC": func() (string, error) {
			rsp, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Call(limited(t), &echopb.CallRequest{Text: "go-micro RPC"})
			return rsp.GetText(), err
		},
		"Connect": func() (string, error) {
			_, _, body := post(t, "http://"+address+"/Echo/Call", `{"text":"Connect"}`, nil)
			return strings.TrimSuffix(strings.TrimPrefix(body, `{"text":"`), `"}`), nil
		},
	}
}

// TestStopCalls: what is in flight ends well, what comes later finds nobody.
func TestStopCalls(t *testing.T) {
	h := &holding{began: make(chan string), release: make(chan struct{})}
	c := config()
	s := start(t, c, h)
	type answer struct {
		name, text string
		err        error
	}
	answers := make(chan answer)
	calls := unaries(t, s.Addr().String())
	for name, call := range calls {
		go func() {
			text, err := call()
			answers <- answer{name, text, err}
		}()
	}
	for range calls {
		receive(t, h.began, "a call to begin")
	}
	stopped := make(chan error)
	go func() { stopped <- s.Stop() }()
	for end := time.Now().Add(patience); ; { // the listener is closed, and nobody is sent here any more
		conn, err := (&net.Dialer{}).DialContext(limited(t), "tcp", s.Addr().String())
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = conn.Close()
		}
		if time.Now().After(end) {
			t.Fatal("the server still listens")
		}
	}
	if got, err := c.Registry.GetService("echo-srv"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("still registered as %v, %v", got, err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped while calls are in flight: %v", err)
	default:
	}
	close(h.release)
	for range calls {
		if a := receive(t, answers, "an answer"); a.err != nil || a.text != a.name {
			t.Errorf("%s: got %q, %v", a.name, a.text, a.err)
		}
	}
	if err := receive(t, stopped, "the end"); err != nil {
		t.Error(err)
	}
}

// TestStopStreams: each is told at once to go elsewhere.
func TestStopStreams(t *testing.T) {
	ended := make(chan string, 10)
	s := start(t, config(), &echo.Handler{Ended: func(protocol string) { ended <- protocol }})
	address := s.Addr().String()
	conn := dial(t, address)

	// Each opens a stream, has a message, and returns what reads the next.
	hold := &echopb.CountRequest{Count: 1, Hold: true}
	streams := map[string]func() func() error{
		"gRPC": func() func() error {
			st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(st.SendMsg(hold), st.CloseSend(), st.RecvMsg(new(echopb.CountResponse))); err != nil {
				t.Fatal(err)
			}
			return func() error { return st.RecvMsg(new(echopb.CountResponse)) }
		},
		"gRPC, both ways": func() func() error {
			st, err := conn.NewStream(limited(t), both, "/micro.test.v1.Echo/Chat")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(st.SendMsg(&echopb.ChatRequest{Text: "hi"}), st.RecvMsg(new(echopb.ChatResponse))); err != nil {
				t.Fatal(err)
			}
			return func() error { return st.RecvMsg(new(echopb.ChatResponse)) }
		},
		"go-micro RPC": func() func() error {
			st, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Count(limited(t), hold)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			if _, err := st.Recv(); err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := st.Recv(); return toStatus(err) }
		},
		"go-micro RPC, both ways": func() func() error {
			st, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/json")).Chat(limited(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			if err := st.Send(&echopb.ChatRequest{Text: "hi"}); err != nil {
				t.Fatal(err)
			}
			if _, err := st.Recv(); err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := st.Recv(); return toStatus(err) }
		},
		"Connect": func() func() error {
			answer := connectStream(t, address, `{"count":1,"hold":true}`)
			if _, err := readEnvelope(answer); err != nil {
				t.Fatal(err)
			}
			return func() error {
				end, err := readEnvelope(answer)
				if err == nil && strings.Contains(string(end), `"code":"unavailable"`) {
					return status.Error(codes.Unavailable, string(end))
				}
				return fmt.Errorf("got %q, %w", end, err)
			}
		},
	}
	next := map[string]func() error{}
	for name, open := range streams {
		next[name] = open()
	}
	begin := time.Now()
	stopped := make(chan error)
	go func() { stopped <- s.Stop() }()
	for name, read := range next {
		if err := read(); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v, want unavailable", name, err)
		}
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("%s was told after %v", name, took)
			begin = time.Now()
		}
	}
	for range next {
		receive(t, ended, "a handler to end")
	}
	if err := receive(t, stopped, "the end"); err != nil {
		t.Error(err)
	}
}

// toStatus makes a gRPC status of go-micro's error.
func toStatus(err error) error {
	if m := merrors.FromError(err); m.GetStatus() == "unavailable" && m.GetId() == "draining" {
		return status.Error(codes.Unavailable, m.GetDetail())
	}
	return err
}

// connectStream opens Echo.Count over the Connect protocol, whose messages are in
// envelopes: a flag, a length, JSON.
func connectStream(t *testing.T, address, msg string) io.Reader {
	t.Helper()
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(msg))), msg...)
	req, err := http.NewRequestWithContext(limited(t), http.MethodPost, "http://"+address+"/micro.test.v1.Echo/Count", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/connect+json")
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rsp.Body.Close() })
	return rsp.Body
}

func readEnvelope(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// deaf is echo-srv whose handlers notice nothing until they are released.
type deaf struct {
	holding
}

func (d *deaf) Count(_ context.Context, _ *echopb.CountRequest, _ echopb.Echo_CountStream) error {
	d.began <- "stream"
	<-d.release
	return nil
}

// TestStopLimit: what does not end is cut off after Drain.
func TestStopLimit(t *testing.T) {
	calls := map[string]func(t *testing.T, address string) error{
		"gRPC": func(t *testing.T, address string) error {
			return dial(t, address).Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{}, new(echopb.CallResponse))
		},
		"gRPC stream": func(t *testing.T, address string) error {
			st, err := dial(t, address).NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
			if err != nil {
				return err
			}
			return errors.Join(st.SendMsg(&echopb.CountRequest{}), st.CloseSend(), st.RecvMsg(new(echopb.CountResponse)))
		},
		"Connect": func(t *testing.T, address string) error {
			req, err := http.NewRequestWithContext(limited(t), http.MethodPost, "http://"+address+"/Echo/Call", strings.NewReader("{}"))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			rsp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
			if err == nil {
				_ = rsp.Body.Close()
			}
			return err
		},
		"go-micro RPC": func(t *testing.T, address string) error {
			_, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Call(limited(t), &echopb.CallRequest{})
			return err
		},
		"go-micro RPC stream": func(t *testing.T, address string) error {
			st, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Count(limited(t), &echopb.CountRequest{})
			if err != nil {
				return err
			}
			defer st.Close()
			_, err = st.Recv()
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &deaf{holding{began: make(chan string), release: make(chan struct{})}}
			defer close(h.release)
			c := config()
			c.Drain = 100 * time.Millisecond
			s := start(t, c, h)
			failed := make(chan error)
			go func() { failed <- call(t, s.Addr().String()) }()
			receive(t, h.began, "a call to begin")
			begin := time.Now()
			stopped := make(chan error)
			go func() { stopped <- s.Stop() }()
			if err := receive(t, failed, "the caller to be told"); err == nil {
				t.Error("the call went well")
			}
			_ = receive(t, stopped, "the end") // may say what did not end
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// stuck is a registry that hangs.
type stuck struct {
	registry.Registry

	until <-chan struct{}
}

func (s *stuck) Deregister(*registry.Service, ...registry.DeregisterOption) error {
	<-s.until
	return errors.New("away")
}

// TestStopStuck: a registry that does not answer holds nobody up.
func TestStopStuck(t *testing.T) {
	c := config()
	until := make(chan struct{})
	defer close(until)
	c.Registry, c.Drain = &stuck{c.Registry, until}, 100*time.Millisecond
	s := start(t, c, &echo.Handler{})
	stopped := make(chan error)
	go func() { stopped <- s.Stop() }()
	if err := receive(t, stopped, "the end"); err != nil {
		t.Error(err)
	}
	if conn, err := (&net.Dialer{}).DialContext(limited(t), "tcp", s.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the server still listens")
	}
}

// nothing returns a check that no goroutine has come.
func nothing(t *testing.T) func() {
	t.Helper()
	before := goleak.IgnoreCurrent()
	return func() {
		t.Helper()
		// go-micro's clients cannot be closed.
		goleak.VerifyNone(t, hosttest.Leftovers(before)...)
	}
}

// TestStopLeavesNothing, whoever is connected, and in whatever state.
func TestStopLeavesNothing(t *testing.T) {
	c := config() // whose registry has a goroutine for ever
	c.Drain = 100 * time.Millisecond
	leaves := nothing(t)
	s := start(t, c, &echo.Handler{})
	address := s.Addr().String()
	var conns []net.Conn
	for _, said := range []string{"", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\n", "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		conn, err := (&net.Dialer{}).DialContext(limited(t), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
	}
	conn := dial(t, address)
	if err := conn.Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{}, new(echopb.CallResponse)); err != nil {
		t.Fatal(err)
	}
	st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.SendMsg(&echopb.CountRequest{Hold: true}), st.CloseSend()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > patience/4 {
		t.Errorf("it took %v", took)
	}
	for i, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(patience / 4)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) || isTimeout(err) {
			t.Errorf("connection %d is open after the end", i)
		}
		_ = conn.Close()
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	leaves()
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// TestStopUnstarted: a server that was never started holds nothing.
func TestStopUnstarted(t *testing.T) {
	c := config()
	leaves := nothing(t)
	s := port.New(t.Context(), c)
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	leaves()
}

// TestStartFails: an address that is taken leaves nothing behind.
func TestStartFails(t *testing.T) {
	taken := run(t)
	c := config()
	c.Address = taken
	leaves := nothing(t)
	s := port.New(t.Context(), c)
	if err := s.Start(); !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "listen for echo-srv: ") {
		t.Errorf("got error %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	leaves()
}
