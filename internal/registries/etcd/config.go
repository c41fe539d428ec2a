package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger, and this one is silent
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/internal/registries/servers"
)

func config(s servers.Servers) clientv3.Config {
	scheme := "http://"
	if s.TLS != nil {
		scheme = "https://"
	}
	var endpoints []string
	for _, host := range s.Hosts {
		endpoints = append(endpoints, scheme+host)
	}
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 2*time.Second
	return clientv3.Config{
		Endpoints:            endpoints,
		Username:             s.User,
		Password:             s.Password,
		TLS:                  s.TLS,
		DialTimeout:          patience,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxUnaryRetries:      4, // of reads, and with a new token
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: patience}),
			grpc.WithChainUnaryInterceptor(atOnce),
			// Whatever go-micro has made of the process's own.
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})),
		},
	}
}

// atOnce lets a call fail while there is no connection, where etcd's client would wait for
// one.
func atOnce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}
