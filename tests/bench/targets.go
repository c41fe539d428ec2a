package main

import (
	"context"
	"log/slog"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	mclient "github.com/micro/platform/internal/client"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// measurements are what the platform promises, by who it promises to be like.
func measurements() []measurement {
	var all []measurement
	for _, callers := range []int{1, 64} {
		all = append(all,
			measurement{"gRPC: the port against grpc-go", target{"port", dialEcho}, target{"grpc-go", dialEcho}, callers},
			measurement{"gRPC: port and chain against grpc-go", target{"echo", dialEcho}, target{"grpc-go", dialEcho}, callers},
			measurement{"go-micro RPC: port and chain against go-micro", target{"echo", dialMicro}, target{"stock", dialMicro}, callers},
			measurement{"kv Get against echo", target{"kv", dialGet}, target{"echo", dialEcho}, callers},
			measurement{"kv Put against echo", target{"kv", dialPut}, target{"echo", dialEcho}, callers},
		)
	}
	return all
}

func dialEcho(address string) (caller, func(), error) {
	in := &echopb.CallRequest{Text: "hello", Payload: make([]byte, 100)}
	return dialGRPC(address, "/micro.test.v1.Echo/Call", in, func() proto.Message { return new(echopb.CallResponse) })
}

func dialPut(address string) (caller, func(), error) {
	in := &kvpb.PutRequest{Key: "hello", Value: make([]byte, 100)}
	return dialGRPC(address, "/micro.kv.v1.KV/Put", in, func() proto.Message { return new(kvpb.PutResponse) })
}

func dialGet(address string) (caller, func(), error) {
	put, hangUp, err := dialPut(address)
	if err != nil {
		return nil, nil, err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := put(ctx); err != nil {
		return nil, nil, err
	}
	return dialGRPC(address, "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: "hello"}, func() proto.Message { return new(kvpb.GetResponse) })
}

func dialGRPC(address, method string, in proto.Message, out func() proto.Message) (caller, func(), error) {
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error { return c.Invoke(ctx, method, in, out()) }, func() { _ = c.Close() }, nil
}

// dialMicro is go-micro's client, with protobuf and without its retries.
func dialMicro(address string) (caller, func(), error) {
	c := echopb.NewEchoService("echo-srv", mclient.New(registry.NewMemoryRegistry(), nil, slog.New(slog.DiscardHandler)))
	in := &echopb.CallRequest{Text: "hello", Payload: make([]byte, 100)}
	return func(ctx context.Context) error {
		_, err := c.Call(ctx, in, client.WithAddress(address), client.WithRetries(3))
		return err
	}, func() {}, nil
}
