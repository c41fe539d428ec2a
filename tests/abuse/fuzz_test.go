package abuse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// FuzzMuCPRequest says anything at all on a connection to kv-srv.
func FuzzMuCPRequest(f *testing.F) {
	address, panicked := fuzzed(f, kvserver.Service())
	for _, seed := range []string{
		"", "P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x16\x03\x01\x02\x00",
		muCP("KV.Get", `{"key":"k"}`), muCP("KV.Put", `{"key":"k","value":"dg==","ttl":"1s"}`) + muCP("KV.List", "{}"),
		strings.Replace(muCP("KV.Get", "\x12\x01k"), "/json", "/protobuf", 1),
		muCP("KV.Get", "{}", "Timeout: 1", "Micro-Id: 1", "Micro-Service: kv-srv", "Micro-Method: KV.Get"),
		muCP("KV.Destroy", "{}"), muCP("KV.Watch", "{}"), muCP("KV.Get", "", "Micro-Stream: 1"), muCP("KV.Get", "{}", "Micro-Topic: t"),
		openStream("KV.Watch") + inStream("KV.Watch", `{"prefix":"p"}`),
		"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Micro-Method: KV.Get\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nMicro-Endpoint: KV.Get\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		"POST /micro.kv.v1.KV/Get HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"key\":\"k\"}",
		"POST /KV/Get HTTP/1.1\r\nHost: [::1]:1\r\nContent-Type: application/grpc-web\r\nContent-Length: 8\r\n\r\n\x00\x00\x00\x00\x03\x12\x01k",
		"POST /kv-srv.KV/Watch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: 7\r\n\r\n\x00\x00\x00\x00\x02{}",
		"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) { survives(t, address, panicked, said) })
}

// FuzzMuCPStream says anything at all in a stream that is open.
func FuzzMuCPStream(f *testing.F) {
	address, panicked := fuzzed(f, host.Service{Name: "echo-srv", Start: func(_ context.Context, h *host.Host) error {
		return echopb.RegisterEchoHandler(h.Server(), &modest{})
	}})
	for method := range uint8(5) {
		for _, seed := range []string{
			"", "P", inStream("", "{}"), inStream("", `{"text":"a"}`) + inStream("", `{"text":"b"}`), inStream("", `{"count":3,"size":9}`), inStream("", `{"count":1,"hold":true}`),
			inStream("", "\x0a\x01a"), muCP("", "", "Micro-Error: EOS"), muCP("", "", "Micro-Error: oh"), muCP("", "{}", "Connection: close"),
			"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
			"POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n{}", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		} {
			f.Add(method, method%2 == 0, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, method uint8, json bool, said []byte) {
		endpoint := "Echo." + []string{"Chat", "Count", "Collect", "Call", "None"}[method%5]
		open := openStream(endpoint)
		if !json {
			open = strings.Replace(open, "/json", "/protobuf", 1)
		}
		survives(t, address, panicked, append([]byte(open), said...))
	})
}

// modest is Echo without what is costly by order.
type modest struct{ echo.Handler }

// Call implements echopb.EchoHandler.
func (m *modest) Call(_ context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	rsp.Text = req.GetText()
	return nil
}

// Count implements echopb.EchoHandler.
func (m *modest) Count(ctx context.Context, req *echopb.CountRequest, st echopb.Echo_CountStream) error {
	return m.Handler.Count(ctx, &echopb.CountRequest{Count: min(req.GetCount(), 20), Size: max(0, min(req.GetSize(), 1000)), Hold: req.GetHold()}, st)
}

// fuzzed runs a service that loses its patience quickly, and tells whether anything in
// it has panicked: net/http and the chain recover.
func fuzzed(f *testing.F, s host.Service) (string, *alarm) {
	f.Helper()
	panicked := &alarm{}
	started, done := make(chan []host.Running, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.WithoutCancel(f.Context()))
	go func() {
		done <- host.Run(ctx, host.Process{
			Getenv: func(name string) string {
				return map[string]string{"PLATFORM_TIMEOUT": "1s", "PLATFORM_LOG": "debug", "KV_ADDRESS": "127.0.0.1:0", "ECHO_ADDRESS": "127.0.0.1:0"}[name]
			},
			Stderr: panicked, Registry: registry.NewMemoryRegistry(), Started: func(all []host.Running) { started <- all },
		}, s)
	}()
	f.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	select {
	case all := <-started:
		return all[0].Address, panicked
	case err := <-done:
		done <- nil
		f.Fatal(err)
	}
	return "", nil
}

// alarm is a log that keeps the first line which tells of a panic.
type alarm struct{ line atomic.Pointer[string] }

func (a *alarm) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("http: panic serving")) || bytes.Contains(b, []byte("a handler panicked")) {
		line := string(b)
		a.line.CompareAndSwap(nil, &line)
	}
	return len(b), nil
}

// survives says something on a connection of its own and stops talking. The service
// must end the connection soon, and keep nothing of it.
func survives(t *testing.T, address string, panicked *alarm, said []byte) {
	t.Helper()
	before := runtime.NumGoroutine()
	// Another address each time: the ports of one would not last.
	from := &net.TCPAddr{IP: net.IPv4(127, byte(1+rand.IntN(250)), byte(rand.IntN(250)), byte(1+rand.IntN(250)))}
	c, err := (&net.Dialer{LocalAddr: from}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write(said)              // as much as is taken
	_ = c.(*net.TCPConn).CloseWrite() // fails where it is closed already
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is open %v after its last word", soon)
	}
	_ = c.Close()
	if line := panicked.line.Load(); line != nil {
		t.Fatal(*line)
	}
	for begin := time.Now(); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Since(begin) > soon {
			t.Fatalf("there were %d goroutines, there are %d", before, runtime.NumGoroutine())
		}
	}
}
