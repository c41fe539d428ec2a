package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"connectrpc.com/connect"
	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"go-micro.dev/v5/transport"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// serveGRPC is grpc-go as protoc-gen-go-grpc would register it.
func serveGRPC(ctx context.Context, secure *tls.Config) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var opts []grpc.ServerOption
	if secure != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(secure)))
	}
	s := grpc.NewServer(opts...)
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
		Streams: []grpc.StreamDesc{
			{StreamName: "Count", ServerStreams: true, Handler: func(_ any, st grpc.ServerStream) error {
				in := new(echopb.CountRequest)
				if err := st.RecvMsg(in); err != nil {
					return err
				}
				return h.Count(st.Context(), in, stream[echopb.CountRequest, echopb.CountResponse]{st})
			}},
			{StreamName: "Chat", ClientStreams: true, ServerStreams: true, Handler: func(_ any, st grpc.ServerStream) error {
				return h.Chat(st.Context(), stream[echopb.ChatRequest, echopb.ChatResponse]{st})
			}},
			{StreamName: "Collect", ClientStreams: true, Handler: func(_ any, st grpc.ServerStream) error {
				return h.Collect(st.Context(), stream[echopb.CollectRequest, echopb.CollectResponse]{st})
			}},
		},
	}, struct{}{})
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, s.Stop)
	return s.Serve(l)
}

// stream is grpc-go's as go-micro's generated code has it.
type stream[In, Out any] struct{ grpc.ServerStream }

func (s stream[In, Out]) Send(m *Out) error { return s.SendMsg(m) }
func (s stream[In, Out]) Close() error      { return nil }

func (s stream[In, Out]) Recv() (*In, error) {
	m := new(In)
	return m, s.RecvMsg(m)
}

// serveConnect is connect-go as its generator would register it, on net/http.
func serveConnect(ctx context.Context, secure *tls.Config) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	const path = "/micro.test.v1.Echo/Call"
	h := &echo.Handler{}
	mux := http.NewServeMux()
	mux.Handle(path, connect.NewUnaryHandler(path, func(ctx context.Context, r *connect.Request[echopb.CallRequest]) (*connect.Response[echopb.CallResponse], error) {
		out := new(echopb.CallResponse)
		if err := h.Call(ctx, r.Msg, out); err != nil {
			return nil, err
		}
		return connect.NewResponse(out), nil
	}))
	s := &http.Server{Handler: mux, TLSConfig: secure}
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if secure != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
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
