package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"go-micro.dev/v5/transport"
	"google.golang.org/grpc"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// startServer runs a server in a process of its own, until the function that it
// returns is called.
func startServer(ctx context.Context, name, profile string) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", name, "-profile", profile)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close() // its end
		_ = cmd.Wait() // it has no result
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start %s: %w", name, err)
	}
	return strings.TrimSpace(line), stop, nil
}

// beServer serves until its standard input ends.
func beServer(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch name {
	case "echo":
		return serveHosted(ctx, echo.Service(&echo.Handler{}))
	case "kv":
		return serveHosted(ctx, kvserver.Service())
	case "port":
		return servePort(ctx)
	case "grpc-go":
		return serveGRPC(ctx)
	case "stock":
		return serveStock(ctx)
	}
	return fmt.Errorf("no server %q", name)
}

// serveHosted is a service as it is deployed, the whole chain around it.
func serveHosted(ctx context.Context, s host.Service) error {
	env := map[string]string{"ECHO_ADDRESS": "127.0.0.1:0", "KV_ADDRESS": "127.0.0.1:0"}
	return host.Run(ctx, host.Process{
		Getenv: func(k string) string { return env[k] }, Stderr: io.Discard, Registry: registry.NewMemoryRegistry(),
		Started: func(all []host.Running) { fmt.Println(all[0].Address) },
	}, s)
}

// servePort is the port without the chain.
func servePort(ctx context.Context) error {
	s := port.New(ctx, port.Config{
		Name: "echo-srv", Address: "127.0.0.1:0", Registry: registry.NewMemoryRegistry(), MaxMessage: 4 << 20, MaxConns: 1 << 16,
		Timeout: time.Minute, Patience: time.Minute, Drain: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err := echopb.RegisterEchoHandler(s, &echo.Handler{}); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	fmt.Println(s.Addr())
	<-ctx.Done()
	return s.Stop()
}

// serveGRPC is grpc-go as protoc-gen-go-grpc would register it.
func serveGRPC(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	h := &echo.Handler{}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "micro.test.v1.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in, out := new(echopb.CallRequest), new(echopb.CallResponse)
			if err := dec(in); err != nil {
				return nil, err
			}
			return out, h.Call(ctx, in, out)
		}}},
	}, struct{}{})
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, s.Stop)
	return s.Serve(l)
}

// serveStock is go-micro's own server.
func serveStock(ctx context.Context) error {
	s := server.NewRPCServer(server.Name("echo-srv"), server.Address("127.0.0.1:0"), server.Registry(registry.NewMemoryRegistry()),
		server.Broker(broker.NewMemoryBroker()), server.Transport(transport.NewHTTPTransport()), server.WithLogger(microlog.New(slog.New(slog.DiscardHandler))))
	if err := echopb.RegisterEchoHandler(s, &echo.Handler{}); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	fmt.Println(s.Options().Address)
	<-ctx.Done()
	return s.Stop()
}
