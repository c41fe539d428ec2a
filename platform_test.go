package platform_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go-micro.dev/v5"
	"go-micro.dev/v5/broker"
	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/micro/platform"
	greeterpb "github.com/micro/platform/examples/greeter/proto/greeter/v1"
	"github.com/micro/platform/internal/host/hosttest"
)

// greeter is what an application registers.
type greeter struct{}

func (greeter) Hello(ctx context.Context, req *greeterpb.HelloRequest, rsp *greeterpb.HelloResponse) error {
	call := platform.CallFromContext(ctx)
	call.ReplyHeader().Set("Greeted-Over", call.Protocol)
	call.ReplyTrailer().Set("Greeted-Last", req.GetName())
	rsp.Greeting = "Hello, " + req.GetName() + "!"
	return nil
}

// start starts a service that New has made, and stops it at the end of the test.
func start(t *testing.T, name string, opts ...micro.Option) micro.Service {
	t.Helper()
	t.Setenv("PLATFORM_REGISTRY", "memory:")
	s, err := platform.New(name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := greeterpb.RegisterGreeterHandler(s.Server(), greeter{}); err != nil {
		t.Fatal(err)
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

// address is where a service is registered.
func address(t *testing.T, r registry.Registry, name string) string {
	t.Helper()
	all, err := r.GetService(name)
	if err != nil || len(all) != 1 || len(all[0].Nodes) != 1 {
		t.Fatalf("%s is registered as %v, %v", name, all, err)
	}
	return all[0].Nodes[0].Address
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func hello(t *testing.T, c microclient.Client, name string, opts ...microclient.CallOption) {
	t.Helper()
	rsp, err := greeterpb.NewGreeterService(name, c).Hello(t.Context(), &greeterpb.HelloRequest{Name: "you"}, opts...)
	if err != nil || rsp.GetGreeting() != "Hello, you!" {
		t.Errorf("got %v, %v", rsp, err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) string {
	t.Helper()
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Errorf("got %d %s, %v", rsp.StatusCode, b, err)
	}
	return string(b)
}

func TestNew(t *testing.T) {
	s := start(t, "greeter")
	if s.Name() != "greeter" {
		t.Errorf("got name %q", s.Name())
	}
	at := address(t, s.Options().Registry, "greeter")
	if host, _, err := net.SplitHostPort(at); err != nil || host != "127.0.0.1" {
		t.Errorf("it listens on %s", at)
	}
	t.Run("go-micro RPC, its own client", func(t *testing.T) { hello(t, s.Client(), "greeter") })
	t.Run("go-micro RPC, any client", func(t *testing.T) {
		c := microclient.NewClient(microclient.Selector(selector.NewSelector(selector.Registry(s.Options().Registry))), microclient.Broker(broker.NewMemoryBroker()))
		hello(t, c, "greeter")
	})
	t.Run("gRPC", func(t *testing.T) {
		conn, err := grpc.NewClient(at, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		rsp := new(greeterpb.HelloResponse)
		if err := conn.Invoke(t.Context(), "/greeter.v1.Greeter/Hello", &greeterpb.HelloRequest{Name: "you"}, rsp); err != nil || rsp.GetGreeting() != "Hello, you!" {
			t.Errorf("got %v, %v", rsp, err)
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/greeter.v1.Greeter/Hello", strings.NewReader(`{"name":"you"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if got := do(t, req); got != `{"greeting":"Hello, you!"}` {
			t.Errorf("got %s", got)
		}
	})
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": `"ready"`, "/metrics": `rpc_server_requests_total{code="ok",endpoint="Greeter.Hello",protocol="mucp"}`} {
		if got := get(t, "http://"+at+path); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestOptions: go-micro's options mean what they mean elsewhere.
func TestOptions(t *testing.T) {
	free := free(t)
	var wrapped, called atomic.Int64
	wrap := func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			wrapped.Add(1)
			return next(ctx, req, rsp)
		}
	}
	wrapClient := func(c microclient.Client) microclient.Client { return &counted{c, &called} }
	s := start(t, "greeter", micro.Address(free), micro.Name("hello"), micro.Version("7"), micro.Metadata(map[string]string{"zone": "a"}),
		micro.WrapHandler(wrap), micro.WrapClient(wrapClient))
	all, err := s.Options().Registry.GetService("hello")
	if err != nil || len(all) != 1 || all[0].Version != "7" || all[0].Nodes[0].Address != free || all[0].Nodes[0].Metadata["zone"] != "a" {
		t.Errorf("registered as %+v, %v", all, err)
	}
	hello(t, s.Client(), "hello")
	if wrapped.Load() != 1 || called.Load() != 1 {
		t.Errorf("the handler was wrapped %d times, the client %d times", wrapped.Load(), called.Load())
	}
}

type counted struct {
	microclient.Client

	n *atomic.Int64
}

func (c *counted) Call(ctx context.Context, req microclient.Request, rsp any, opts ...microclient.CallOption) error {
	c.n.Add(1)
	return c.Client.Call(ctx, req, rsp, opts...)
}

// TestRegistryOption: what an application brings itself is used.
func TestRegistryOption(t *testing.T) {
	own := registry.NewMemoryRegistry()
	s := start(t, "greeter", micro.Registry(own), micro.Broker(broker.NewMemoryBroker()))
	address(t, own, "greeter")
	hello(t, s.Client(), "greeter")
}

func TestAddressSetting(t *testing.T) {
	free := free(t)
	t.Setenv("GREETER_ADDRESS", free)
	s := start(t, "greeter")
	if at := address(t, s.Options().Registry, "greeter"); at != free {
		t.Errorf("it listens on %s, want %s", at, free)
	}
	hello(t, s.Client(), "greeter")
}

func TestWrongSetting(t *testing.T) {
	t.Setenv("PLATFORM_REGISTRY", "zookeeper://user:s3cret@a")
	t.Setenv("PLATFORM_TIMEOUT", "soon")
	for name, open := range map[string]func() error{
		"New":         func() error { _, err := platform.New("greeter"); return err },
		"NewClient":   func() error { _, err := platform.NewClient(); return err },
		"NewServer":   func() error { _, err := platform.NewServer("greeter"); return err },
		"NewRegistry": func() error { _, err := platform.NewRegistry(); return err },
	} {
		err := open()
		if err == nil || !strings.Contains(err.Error(), "PLATFORM_REGISTRY: no registry for scheme") || !strings.Contains(err.Error(), "PLATFORM_TIMEOUT: ") ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// TestPieces: client, server and registry alone, in a service made without New.
func TestPieces(t *testing.T) {
	t.Setenv("PLATFORM_REGISTRY", "memory:")
	s, err := platform.NewServer("greeter")
	if err != nil {
		t.Fatal(err)
	}
	c, err := platform.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	r, err := platform.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	service := micro.New("greeter", micro.Server(s), micro.Client(c), micro.Registry(r))
	if err := errors.Join(greeterpb.RegisterGreeterHandler(service.Server(), greeter{}), service.Start()); err != nil {
		t.Fatal(err)
	}
	hello(t, c, "greeter", microclient.WithAddress(address(t, r, "greeter")))
	if err := service.Stop(); err != nil {
		t.Error(err)
	}
	if got, err := r.GetService("greeter"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after the end: got %v, %v", got, err)
	}
}

// TestStop: nothing of a service goes on.
func TestStop(t *testing.T) {
	t.Setenv("PLATFORM_REGISTRY", "memory:")
	own := registry.NewMemoryRegistry() // has a goroutine for ever
	before := goleak.IgnoreCurrent()
	s, err := platform.New("greeter", micro.Registry(own))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(greeterpb.RegisterGreeterHandler(s.Server(), greeter{}), s.Start()); err != nil {
		t.Fatal(err)
	}
	at := address(t, own, "greeter")
	get(t, "http://"+at+"/readyz")
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if got, err := own.GetService("greeter"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("it is registered as %v, %v", got, err)
	}
	if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("it listens: %v, %v", c, err)
	}
	leavesNothing(t, before)
}

// TestUnused: what is only made does nothing.
func TestUnused(t *testing.T) {
	t.Setenv("PLATFORM_REGISTRY", "memory:")
	before := goleak.IgnoreCurrent()
	for name, open := range map[string]func() error{
		"NewClient":   func() error { _, err := platform.NewClient(); return err },
		"NewServer":   func() error { _, err := platform.NewServer("greeter"); return err },
		"NewRegistry": func() error { _, err := platform.NewRegistry(); return err },
	} {
		if err := open(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	leavesNothing(t, before)
}

func leavesNothing(t *testing.T, before goleak.Option) {
	t.Helper()
	goleak.VerifyNone(t, hosttest.Leftovers(before,
		// What go-micro's package config begins for the process, by and by.
		goleak.IgnoreAnyFunction("go-micro.dev/v5/config.(*config).run"),
		goleak.IgnoreAnyFunction("go-micro.dev/v5/config.(*config).run.func2"),
		goleak.IgnoreAnyFunction("go-micro.dev/v5/config/loader/memory.(*memory).Watch.func1"))...)
}

// TestCall: a handler answers headers and trailers, over each protocol that has them.
func TestCall(t *testing.T) {
	s := start(t, "greeter")
	to := address(t, s.Options().Registry, "greeter")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var header, trailer metadata.MD
	if err := conn.Invoke(ctx, "/greeter.v1.Greeter/Hello", &greeterpb.HelloRequest{Name: "you"}, new(greeterpb.HelloResponse), grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if got := append(header.Get("greeted-over"), trailer.Get("greeted-last")...); !slices.Equal(got, []string{"grpc", "you"}) {
		t.Errorf("gRPC: got %q", got)
	}
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpcweb": {connect.WithGRPCWeb()}} {
		c := connect.NewClient[greeterpb.HelloRequest, greeterpb.HelloResponse](http.DefaultClient, "http://"+to+"/greeter.v1.Greeter/Hello", opts...)
		rsp, err := c.CallUnary(ctx, connect.NewRequest(&greeterpb.HelloRequest{Name: "you"}))
		if err != nil {
			t.Fatal(err)
		}
		if got := []string{rsp.Header().Get("Greeted-Over"), rsp.Trailer().Get("Greeted-Last")}; !slices.Equal(got, []string{name, "you"}) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
