package port_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// lines is a protocol that has each line echoed, until one that says bye.
func lines(v *port.Visitor) {
	in := bufio.NewReader(v)
	for v.Await(); ; v.Await() {
		line, err := in.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		switch {
		case err != nil:
			return
		case line == "bye":
			_, _ = io.WriteString(v, "goodbye\n")
			v.Linger()
			return
		case line == "oops":
			panic(line)
		}
		rsp := &echopb.CallResponse{}
		err = v.Call("Echo.Call", &echopb.CallRequest{Text: line, Code: int32(len(line) / 10)}, rsp)
		answer := rsp.GetText()
		if err != nil {
			answer = rpcerr.Name(rpcerr.Code(err))
		}
		if _, err := fmt.Fprintln(v, answer); err != nil {
			return
		}
	}
}

// withDoor has a server open a door.
func withDoor(d port.Door) func(server.Server) error {
	return func(s server.Server) error {
		s.(*port.Server).AddDoor(d)
		return nil
	}
}

// talk says lines and returns what is answered until the end.
func talk(t *testing.T, c net.Conn, lines ...string) string {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(answers)
}

// TestDoor: who comes calls as at any other door.
func TestDoor(t *testing.T) {
	type seen struct{ Protocol, Endpoint, Service, Identity string }
	for _, with2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", with2), func(t *testing.T) {
			c, _, conf := secured(t, "billing.test")
			want := seen{"lines", "Echo.Call", "echo-srv", "billing.test"}
			if !with2 {
				c, want.Identity = config(), ""
			}
			var mu sync.Mutex
			var got []seen
			peers := map[string]bool{}
			c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
				return func(ctx context.Context, req server.Request, rsp any) error {
					mu.Lock()
					defer mu.Unlock()
					of := call.FromContext(ctx)
					got = append(got, seen{of.Protocol, req.Endpoint(), of.Service, of.Identity()})
					peers[of.Peer] = true
					of.ReplyHeader().Set("Left", "behind")
					if header, _ := of.Replies(); len(header) != 1 || len(header["Left"]) != 1 {
						t.Errorf("a call has the header of another: %v", header)
					}
					return next(ctx, req, rsp)
				}
			})
			s := serve(t, c, with(&echo.Handler{}), withDoor(port.Door{Protocol: "lines", Address: "127.0.0.1:0", Serve: lines}))
			address := s.DoorAddr("lines").String()
			var conn net.Conn
			var err error
			if with2 {
				conf.NextProtos = nil
				conf.ServerName = "echo.test"
				conn, err = tls.Dial("tcp", address, conf)
			} else {
				conn, err = net.Dial("tcp", address)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			said := talk(t, conn, "hello", strings.Repeat("x", 10*int(codes.NotFound)), "world", "bye", "more that nobody reads")
			if want := "hello\nnot_found\nworld\ngoodbye\n"; said != want {
				t.Errorf("got %q, want %q", said, want)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff([]seen{want, want, want}, got); diff != "" || !peers[conn.LocalAddr().String()] {
				t.Errorf("peers %v (-want +got):\n%s", peers, diff)
			}
		})
	}
}

// TestDoorTime: a call begins when the one before has ended, if nothing was read or written
// between.
func TestDoorTime(t *testing.T) {
	c := config()
	var begun []time.Time
	const took = time.Hour
	c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			of := call.FromContext(ctx)
			if begun = append(begun, of.Start); of.Start.IsZero() {
				of.Start = time.Unix(1, 0)
			}
			of.Took = took
			return next(ctx, req, rsp)
		}
	})
	pairs := func(v *port.Visitor) { // of calls, one pair for each byte
		for b := make([]byte, 1); ; {
			if _, err := v.Read(b); err != nil {
				return
			}
			for range 2 {
				if err := v.Call("Echo.Call", &echopb.CallRequest{}, &echopb.CallResponse{}); err != nil {
					t.Error(err)
				}
			}
			if _, err := v.Write(b); err != nil {
				return
			}
		}
	}
	s := serve(t, c, with(&echo.Handler{}), withDoor(port.Door{Protocol: "lines", Address: "127.0.0.1:0", Serve: pairs}))
	conn, err := net.Dial("tcp", s.DoorAddr("lines").String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := conn.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	after := time.Unix(1, 0).Add(took)
	if diff := cmp.Diff([]time.Time{{}, after, {}, after}, begun); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDoorPanics: a protocol that panics loses that connection.
func TestDoorPanics(t *testing.T) {
	s := serve(t, config(), with(&echo.Handler{}), withDoor(port.Door{Protocol: "lines", Address: "127.0.0.1:0", Serve: lines}))
	for _, lines := range [][]string{{"a", "oops"}, {"a", "bye"}} {
		conn, err := net.Dial("tcp", s.DoorAddr("lines").String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if said := talk(t, conn, lines...); !strings.HasPrefix(said, "a\n") {
			t.Errorf("%q: got %q", lines, said)
		}
	}
	if s.DoorAddr("others") != nil {
		t.Error("there is a door of another protocol")
	}
}

// TestDoorCalls: what is no unary method of these messages is refused.
func TestDoorCalls(t *testing.T) {
	errs := make(chan error, 3)
	s := serve(t, config(), with(&echo.Handler{}), withDoor(port.Door{Protocol: "none", Address: "127.0.0.1:0", Serve: func(v *port.Visitor) {
		errs <- v.Call("Echo.None", &echopb.CallRequest{}, &echopb.CallResponse{})
		errs <- v.Call("Echo.Count", &echopb.CountRequest{}, &echopb.CountResponse{})
		errs <- v.Call("Echo.Call", &echopb.CountRequest{}, &echopb.CallResponse{})
	}}))
	conn, err := net.Dial("tcp", s.DoorAddr("none").String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range cap(errs) {
		if err := receive(t, errs, "an error"); err == nil || !strings.HasPrefix(err.Error(), "no method Echo.") {
			t.Errorf("got %v", err)
		}
	}
}

// TestDoorTaken: where a door cannot be opened, nothing is.
func TestDoorTaken(t *testing.T) {
	s := serve(t, config(), with(&echo.Handler{}))
	for _, address := range []string{s.Addr().String(), "0.0.0.0:0"} {
		other := port.New(context.WithoutCancel(t.Context()), config())
		other.AddDoor(port.Door{Protocol: "first", Address: "127.0.0.1:0", Serve: lines})
		other.AddDoor(port.Door{Protocol: "lines", Address: address, Serve: lines})
		err := other.Start()
		if e, ok := errors.AsType[*port.DoorError](err); !ok || e.Protocol != "lines" {
			t.Errorf("%s: got %v", address, err)
		}
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestDirect: a method that is called directly is the handler's, inside of the wrappers.
func TestDirect(t *testing.T) {
	c := config()
	wrapped := 0
	c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			wrapped++
			return next(ctx, req, rsp)
		}
	})
	direct := 0
	s := serve(t, c, func(s server.Server) error {
		s.(*port.Server).Direct(port.Methods{"Echo.Call": port.Unary(func(_ context.Context, in *echopb.CallRequest, out *echopb.CallResponse) error {
			direct++
			out.Text = in.GetText()
			return nil
		})})
		return nil
	}, with(&echo.Handler{}))
	rsp := &echopb.CallResponse{}
	if err := s.Call(t.Context(), visit(t), "Echo.Call", &echopb.CallRequest{Text: "hi"}, rsp); err != nil || rsp.GetText() != "hi" || direct != 1 || wrapped != 1 {
		t.Errorf("got %v, %v, %d directly, %d wrapped", rsp, err, direct, wrapped)
	}
}
