package etcd

import (
	"context"
	"errors"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger, and this one is silent
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/kv-srv/internal/store/patience"
	"github.com/micro/platform/kv-srv/internal/store/storeurl"
)

// parse reads etcd://user:password@a:2379,b:2379/prefix?ca=ca.pem&cert=c.pem&key=k.pem.
// Its errors show no password.
func parse(u *url.URL) (config clientv3.Config, root string, err error) {
	hosts, err := storeurl.Hosts(u, "etcd://a:2379,b:2379")
	if err != nil {
		return config, "", err
	}
	secure, err := storeurl.TLS(u)
	if err != nil {
		return config, "", err
	}
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	for i := range hosts {
		hosts[i] = scheme + hosts[i]
	}
	password, _ := u.User.Password()
	if (u.User.Username() == "") != (password == "") {
		return config, "", errors.New("etcd: want user:password@ before the hosts, or neither")
	}
	return clientv3.Config{
		Endpoints:            hosts,
		Username:             u.User.Username(),
		Password:             password,
		TLS:                  secure,
		DialTimeout:          patience.Most,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxUnaryRetries:      4, // of reads, and with a new token
		Logger:               zap.NewNop(),
		DialOptions:          options(),
	}, "/" + storeurl.Path(u, "kv") + "/", nil
}

func options() []grpc.DialOption {
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 2*time.Second
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: patience.Most}),
		grpc.WithChainUnaryInterceptor(atOnce),
		// Whatever go-micro has made of the process's own.
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})),
	}
}

// atOnce lets a call fail while there is no connection, where etcd's client would wait for
// one: the caller has other instances to ask.
func atOnce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}
