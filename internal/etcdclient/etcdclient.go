// Package etcdclient configures clients of etcd that answer in time where it is away, and
// that nothing else in the process changes.
package etcdclient

import (
	"context"
	"crypto/tls"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger, and this one is silent
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/micro/platform/internal/grpccodec"
)

// Config is that of a client of the members at hosts, by TLS unless secure is nil, that
// waits for a connection as long as patience.
func Config(hosts []string, secure *tls.Config, patience time.Duration) clientv3.Config {
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	var endpoints []string
	for _, host := range hosts {
		endpoints = append(endpoints, scheme+host)
	}
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 2*time.Second
	return clientv3.Config{
		Endpoints:            endpoints,
		TLS:                  secure,
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
// one: the caller has others to ask.
func atOnce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}
