// Package regress tests that defects of go-micro v5.30.0 are not the platform's.
//
// Each of its tests fails against go-micro's own server: STOCK=1 go test ./tests/regress
package regress_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"go-micro.dev/v5/broker"
	microclient "go-micro.dev/v5/client"
	microgrpc "go-micro.dev/v5/client/grpc"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
	microgrpcserver "go-micro.dev/v5/server/grpc"
	"go-micro.dev/v5/transport"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

var quiet = microlog.New(slog.New(slog.DiscardHandler))

// start runs echo-srv, ours or (STOCK=1) go-micro's own, and returns its address.
func start(t *testing.T, h *echo.Handler) string {
	t.Helper()
	if os.Getenv("STOCK") == "" {
		return hosttest.Run(t, nil, echo.Service(h)).Address("echo-srv")
	}
	return startStock(t, h, server.NewRPCServer, server.Transport(transport.NewHTTPTransport()))
}

// startGRPC is start for callers of gRPC, for which go-micro has another server.
func startGRPC(t *testing.T, h *echo.Handler) string {
	t.Helper()
	if os.Getenv("STOCK") == "" {
		return start(t, h)
	}
	return startStock(t, h, microgrpcserver.NewServer)
}

func startStock(t *testing.T, h *echo.Handler, newServer func(...server.Option) server.Server, opts ...server.Option) string {
	t.Helper()
	s := newServer(append(opts, server.Name("echo-srv"), server.Address("127.0.0.1:0"), server.Registry(registry.NewMemoryRegistry()),
		server.Broker(broker.NewMemoryBroker()), server.WithLogger(quiet))...)
	if err := echopb.RegisterEchoHandler(s, h); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.Options().Address
}

// stock is go-micro's default client, as an application has it.
func stock(t *testing.T, address, contentType string) echopb.EchoService {
	t.Helper()
	return echopb.NewEchoService("echo-srv", microclient.NewClient(options(t, address, contentType)...))
}

// stockGRPC is go-micro's gRPC client.
func stockGRPC(t *testing.T, address string) echopb.EchoService {
	t.Helper()
	return echopb.NewEchoService("echo-srv", microgrpc.NewClient(options(t, address, "application/grpc+proto")...))
}

// ours is the platform's client.
func ours(t *testing.T, address string) echopb.EchoService {
	t.Helper()
	return echopb.NewEchoService("echo-srv", client.New(registered(t, address), nil, slog.New(slog.DiscardHandler)))
}

func options(t *testing.T, address, contentType string) []microclient.Option {
	t.Helper()
	r := registered(t, address)
	return []microclient.Option{
		microclient.Registry(r), microclient.Selector(selector.NewSelector(selector.Registry(r))),
		microclient.Broker(broker.NewMemoryBroker()), microclient.ContentType(contentType), microclient.WithLogger(quiet),
	}
}

// registered is a registry that has echo-srv at address.
func registered(t *testing.T, address string) registry.Registry {
	t.Helper()
	r := registry.NewMemoryRegistry()
	if err := r.Register(&registry.Service{
		Name: "echo-srv", Version: "1",
		Nodes: []*registry.Node{{Id: "echo-srv-1", Address: address, Metadata: map[string]string{"protocol": "mucp"}}},
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

func dialGRPC(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// limited is the context of a test that must not hang.
func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
