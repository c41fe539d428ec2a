package port_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// TestSplit: every protocol on one port, also if the first bytes come one by one.
func TestSplit(t *testing.T) {
	address := run(t)
	for name, opts := range map[string][]grpc.DialOption{
		"whole": nil, "one by one": {grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { return slowly(ctx, "tcp", a) })},
	} {
		t.Run("HTTP/2, "+name, func(t *testing.T) {
			out := new(echopb.CallResponse)
			if err := dial(t, address, opts...).Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: "hi"}, out); err != nil || out.GetText() != "hi" {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	for name, transport := range map[string]*http.Transport{"whole": {}, "one by one": {DialContext: slowly}} {
		t.Run("HTTP/1.1, "+name, func(t *testing.T) {
			defer transport.CloseIdleConnections()
			// POST begins as HTTP/2 does: with a P.
			req, err := http.NewRequestWithContext(limited(t), http.MethodPost, "http://"+address+"/micro.test.v1.Echo/Call", strings.NewReader(`{"text":"hi"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			rsp, err := (&http.Client{Transport: transport}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer rsp.Body.Close()
			if got, err := io.ReadAll(rsp.Body); err != nil || string(got) != `{"text":"hi"}` {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("go-micro RPC", func(t *testing.T) {
		rsp, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Call(limited(t), &echopb.CallRequest{Text: "hi"})
		if err != nil || rsp.GetText() != "hi" {
			t.Errorf("got %v, %v", rsp, err)
		}
	})
}

// TestConnections: those over the limit are closed and counted, and each that ends
// makes room.
func TestConnections(t *testing.T) {
	c := config()
	var refused atomic.Int64
	c.MaxConns, c.Refused = 2, func() { refused.Add(1) }
	address := serve(t, c, with(&echo.Handler{})).Addr().String()
	open := func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(limited(t), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	// answers tells whether a connection is served.
	answers := func(conn net.Conn) bool {
		_, err := io.WriteString(conn, "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		return err == nil
	}
	first, second := open(), open()
	for i, conn := range []net.Conn{first, second} {
		if !answers(conn) {
			t.Fatalf("connection %d of 2 is not served", i+1)
		}
	}
	if answers(open()) {
		t.Error("the third of 2 connections is served")
	}
	if got := refused.Load(); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for ctx := limited(t); !answers(open()); { // until the server has noticed
		if ctx.Err() != nil {
			t.Fatal("no room after a connection was closed")
		}
	}
}
