package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	mclient "github.com/micro/platform/internal/client"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// measurements are what the platform promises, by who it promises to be like.
func measurements() []measurement {
	var all []measurement
	against := func(name, ours, peer string, dial dialer) {
		for _, callers := range []int{1, 64} {
			all = append(all, measurement{name: name, ours: target{ours, dial}, peer: target{peer, dial}, callers: callers, each: 1})
		}
	}
	against("gRPC: port, grpc-go", "port", "grpc-go", dialEcho)
	against("gRPC: hosted, grpc-go", "echo", "grpc-go", dialEcho)
	against("JSON: port, connect-go", "port", "connect-go", dialJSON)
	against("JSON: hosted, connect-go", "echo", "connect-go", dialJSON)
	against("Connect proto: hosted, connect-go", "echo", "connect-go", dialConnect)
	against("go-micro RPC: hosted, go-micro", "echo", "stock", dialMicro)
	for _, s := range streams {
		against("gRPC, "+s.name+": hosted, grpc-go", "echo", "grpc-go", s.dial)
		all[len(all)-2].each, all[len(all)-1].each = s.messages, s.messages
	}
	plain := len(all)
	against("TLS, gRPC: hosted, grpc-go", "echo", "grpc-go", dialEcho)
	for _, s := range streams {
		against("TLS, gRPC, "+s.name+": hosted, grpc-go", "echo", "grpc-go", s.dial)
		all[len(all)-2].each, all[len(all)-1].each = s.messages, s.messages
	}
	against("TLS, JSON: hosted, connect-go", "echo", "connect-go", dialJSON)
	against("TLS, JSON over HTTP/2: hosted, connect-go", "echo", "connect-go", dialHTTP2)
	for i := range all[plain:] {
		all[plain+i].tls = true
	}
	for _, callers := range []int{1, 64} {
		all = append(all,
			measurement{name: "kv Get, echo", ours: target{"kv", dialGet}, peer: target{"echo", dialEcho}, callers: callers, each: 1},
			measurement{name: "kv Put, echo", ours: target{"kv", dialPut}, peer: target{"echo", dialEcho}, callers: callers, each: 1},
		)
	}
	return all
}

func request() *echopb.CallRequest {
	return &echopb.CallRequest{Text: "hello", Payload: make([]byte, 100)}
}

func dialEcho(address string, secure *tls.Config) (caller, func(), error) {
	return dialUnary(address, secure, "/micro.test.v1.Echo/Call", request(), func() proto.Message { return new(echopb.CallResponse) })
}

func dialPut(address string, secure *tls.Config) (caller, func(), error) {
	in := &kvpb.PutRequest{Key: "hello", Value: make([]byte, 100)}
	return dialUnary(address, secure, "/micro.kv.v1.KV/Put", in, func() proto.Message { return new(kvpb.PutResponse) })
}

func dialGet(address string, secure *tls.Config) (caller, func(), error) {
	put, hangUp, err := dialPut(address, secure)
	if err != nil {
		return nil, nil, err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := put(ctx); err != nil {
		return nil, nil, err
	}
	return dialUnary(address, secure, "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: "hello"}, func() proto.Message { return new(kvpb.GetResponse) })
}

func dialUnary(address string, secure *tls.Config, method string, in proto.Message, out func() proto.Message) (caller, func(), error) {
	c, err := dialGRPC(address, secure)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error { return c.Invoke(ctx, method, in, out()) }, func() { _ = c.Close() }, nil
}

func dialGRPC(address string, secure *tls.Config) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if secure != nil {
		creds = credentials.NewTLS(secure)
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(creds))
}

// dialMicro is go-micro's client, with protobuf and without its retries.
func dialMicro(address string, _ *tls.Config) (caller, func(), error) {
	c := echopb.NewEchoService("echo-srv", mclient.New(registry.NewMemoryRegistry(), nil, slog.New(slog.DiscardHandler)))
	in := request()
	return func(ctx context.Context) error {
		_, err := c.Call(ctx, in, client.WithAddress(address), client.WithRetries(3))
		return err
	}, func() {}, nil
}
