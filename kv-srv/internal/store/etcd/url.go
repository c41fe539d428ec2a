package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger, and this one is silent
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/micro/platform/internal/grpccodec"
)

// defaultPath is where the keys are if the URL has no path.
const defaultPath = "/kv"

// parse reads etcd://user:password@a:2379,b:2379/prefix?ca=ca.pem&cert=c.pem&key=k.pem.
// Its errors show no password.
func parse(u *url.URL) (config clientv3.Config, root string, err error) {
	hosts := strings.Split(u.Host, ",")
	for _, host := range hosts {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return config, "", fmt.Errorf("etcd: %q is no host:port, want etcd://a:2379,b:2379", host)
		}
	}
	secure, err := security(u.RawQuery)
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
	path := strings.TrimRight(u.Path, "/")
	if path == "" {
		path = defaultPath
	}
	return clientv3.Config{
		Endpoints:            hosts,
		Username:             u.User.Username(),
		Password:             password,
		TLS:                  secure,
		DialTimeout:          patience,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxUnaryRetries:      4, // of reads, and with a new token
		Logger:               zap.NewNop(),
		DialOptions:          options(),
	}, path + "/", nil
}

func options() []grpc.DialOption {
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 2*time.Second
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: patience}),
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

// security reads tls=true, ca, cert and key; the files imply TLS. It returns nil for none.
func security(rawQuery string) (*tls.Config, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, errors.New("etcd: parameters are not of the form tls=true&ca=ca.pem")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := strings.Join(query[name], ",")
		switch name {
		case "tls":
			if value != "true" {
				return nil, fmt.Errorf("etcd: tls=%s, want true", value)
			}
		case "ca":
			if config.RootCAs, err = roots(value); err != nil {
				return nil, err
			}
		case "cert", "key": // together, below
		default:
			return nil, fmt.Errorf("etcd: no parameter %q (have ca, cert, key, tls)", name)
		}
	}
	cert, key := query.Get("cert"), query.Get("key")
	if (cert == "") != (key == "") {
		return nil, errors.New("etcd: cert and key go together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("etcd: cert and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if len(query) == 0 {
		return nil, nil //nolint:nilnil // no TLS
	}
	return config, nil
}

func roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // settings name files
	if err != nil {
		return nil, fmt.Errorf("etcd: ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("etcd: ca: no certificate in %s", file)
	}
	return pool, nil
}
