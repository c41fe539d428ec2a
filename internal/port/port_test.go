package port_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"go-micro.dev/v5/broker"
	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// patience is for what should take no time at all.
const patience = 20 * time.Second

// config is that of an echo-srv on a free port.
func config() port.Config {
	log := slog.New(slog.DiscardHandler)
	return port.Config{
		Name: "echo-srv", Version: "1", Address: "127.0.0.1:0", Registry: registry.NewMemoryRegistry(registry.Logger(microlog.New(log))),
		MaxMessage: 4 << 20, MaxConns: 1000, Timeout: 30 * time.Second, Patience: 10 * time.Second, Drain: patience, Log: log,
	}
}

// serve starts a server with handlers, and stops it at the end of the test.
func serve(t *testing.T, c port.Config, register ...func(server.Server) error) *port.Server {
	t.Helper()
	s := port.New(context.WithoutCancel(t.Context()), c)
	for _, r := range register {
		if err := r(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// with registers a handler of Echo.
func with(h echopb.EchoHandler) func(server.Server) error {
	return func(s server.Server) error { return echopb.RegisterEchoHandler(s, h) }
}

// run starts echo-srv and returns its address.
func run(t *testing.T) string {
	t.Helper()
	return serve(t, config(), with(&echo.Handler{})).Addr().String()
}

func dial(t *testing.T, address string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:"+address, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have closed it
	return c
}

// micro is go-micro's own client, for one address.
func micro(t *testing.T, address, contentType string) microclient.Client {
	t.Helper()
	log := microlog.New(slog.New(slog.DiscardHandler))
	r := registry.NewMemoryRegistry(registry.Logger(log))
	if err := r.Register(&registry.Service{
		Name: "echo-srv", Version: "1", Nodes: []*registry.Node{{Id: "echo-srv-1", Address: address, Metadata: map[string]string{"protocol": "mucp"}}},
	}); err != nil {
		t.Fatal(err)
	}
	return microclient.NewClient(
		microclient.Registry(r), microclient.Selector(selector.NewSelector(selector.Registry(r), selector.WithLogger(log))),
		microclient.Broker(broker.NewMemoryBroker()), microclient.ContentType(contentType), microclient.Retries(0), microclient.WithLogger(log),
	)
}

// limited is the context of something that must not hang.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// post sends JSON and returns status, header and body of the answer.
func post(t *testing.T, url, body string, header http.Header) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(limited(t), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}}
	maps.Copy(req.Header, header)
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	// A connection of its own, so that none is left for the server to wait for.
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp.StatusCode, rsp.Header, string(b)
}

// receive waits for something on a channel.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// slowly dials connections that send their first bytes one by one.
func slowly(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &dribble{Conn: c, left: 10}, err
}

type dribble struct {
	net.Conn

	left int
}

func (d *dribble) Write(b []byte) (int, error) {
	var n int
	for ; d.left > 0 && n < len(b); n++ {
		d.left--
		if _, err := d.Conn.Write(b[n : n+1]); err != nil {
			return n, err
		}
	}
	m, err := d.Conn.Write(b[n:])
	return n + m, err
}
