package port_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// secured returns the configuration of a port that asks callers for a certificate, and
// that of a caller named name.
func secured(t *testing.T, name string) (port.Config, certs.Config, *tls.Config) {
	t.Helper()
	ca := certstest.NewCA(t)
	files := func(name string) certs.Config {
		pair, roots := ca.Issue(name, time.Now().Add(time.Hour)), certstest.File(t, ca.PEM)
		return certs.Config{Cert: certstest.File(t, pair.Cert), Key: certstest.File(t, pair.Key), ClientCA: roots, CA: roots}
	}
	serving, err := files("echo.test").Server(slog.New(slog.DiscardHandler), port.Prepare)
	if err != nil {
		t.Fatal(err)
	}
	c := config()
	c.TLS = serving.Config
	mine := files(name)
	calling, err := mine.Client(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c, mine, calling.Config()
}

// TestIdentity: wrappers see who calls, over every protocol.
func TestIdentity(t *testing.T) {
	for name, want := range map[string]string{"spiffe://example.org/billing": "spiffe://example.org/billing", "billing.test": "billing.test"} {
		c, files, conf := secured(t, name)
		var mu sync.Mutex
		var protocol, identity string
		c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
			return func(ctx context.Context, req server.Request, rsp any) error {
				mu.Lock()
				defer mu.Unlock()
				protocol, identity = call.FromContext(ctx).Protocol, call.FromContext(ctx).Identity()
				return next(ctx, req, rsp)
			}
		})
		address := serve(t, c, with(&echo.Handler{})).Addr().String()
		over := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
		t.Cleanup(over.CloseIdleConnections)
		overConnect := func(opts ...connect.ClientOption) func(t *testing.T) error {
			return func(t *testing.T) error {
				t.Helper()
				c := connect.NewClient[echopb.CallRequest, echopb.CallResponse](&http.Client{Transport: over}, "https://"+address+"/micro.test.v1.Echo/Call", opts...)
				_, err := c.CallUnary(limited(t), connect.NewRequest(&echopb.CallRequest{}))
				return err
			}
		}
		for want2, do := range map[string]func(t *testing.T) error{
			call.Connect: overConnect(),
			call.GRPCWeb: overConnect(connect.WithGRPCWeb()),
			call.GRPC: func(t *testing.T) error {
				t.Helper()
				conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(conf)))
				if err != nil {
					return err
				}
				defer conn.Close()
				return conn.Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{}, new(echopb.CallResponse))
			},
			call.MuCP: func(t *testing.T) error {
				t.Helper()
				secure, err := files.Client(slog.New(slog.DiscardHandler))
				if err != nil {
					return err
				}
				r := registry.NewMemoryRegistry()
				if err := r.Register(&registry.Service{Name: "echo-srv", Nodes: []*registry.Node{{Id: "1", Address: address, Metadata: map[string]string{"protocol": "mucp"}}}}); err != nil {
					return err
				}
				_, err = echopb.NewEchoService("echo-srv", client.New(r, secure, slog.New(slog.DiscardHandler))).Call(limited(t), &echopb.CallRequest{Text: "hi"}, client.Unary(limited(t), false)...)
				return err
			},
		} {
			t.Run(name+"/"+want2, func(t *testing.T) {
				if err := do(t); err != nil {
					t.Fatal(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if protocol != want2 || identity != want {
					t.Errorf("got %s by %s, want %s by %s", identity, protocol, want, want2)
				}
			})
		}
	}
}

// TestHandshakes: those that fail are counted, and the log says why, but not of who has
// said nothing.
func TestHandshakes(t *testing.T) {
	c, _, conf := secured(t, "billing.test")
	foreign, err := tls.X509KeyPair(pem(certstest.NewCA(t).Issue("billing.test", time.Now().Add(time.Hour))))
	if err != nil {
		t.Fatal(err)
	}
	log, failed := &lockedBuffer{}, make(chan struct{}, 10)
	c.Log, c.Failed = slog.New(slog.NewTextHandler(log, nil)), func() { failed <- struct{}{} }
	for name, tt := range map[string]struct {
		dial func(address string) (io.Closer, error)
		want string
	}{
		"foreign": {func(address string) (io.Closer, error) {
			bad := conf.Clone()
			bad.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &foreign, nil }
			return tls.Dial("tcp", address, bad)
		}, "unknown authority"},
		"missing": {func(address string) (io.Closer, error) {
			bad := conf.Clone()
			bad.GetClientCertificate = nil
			return tls.Dial("tcp", address, bad)
		}, "didn't provide a certificate"},
		"not trusted": {func(address string) (io.Closer, error) {
			bad := conf.Clone()
			bad.RootCAs = x509.NewCertPool()
			_, err := tls.Dial("tcp", address, bad)
			return io.NopCloser(nil), ignored(err)
		}, "bad certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			log.reset()
			address := serve(t, c, with(&echo.Handler{})).Addr().String() // each may log once a second
			conn, err := tt.dial(address)
			if err != nil {
				t.Fatal(err)
			}
			receive(t, failed, "a failed handshake")
			_ = conn.Close()
			for end := time.Now().Add(patience); !strings.Contains(log.String(), tt.want); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("got %q in the log, want %q", log.String(), tt.want)
				}
			}
		})
	}
}

func pem(p certstest.Pair) (cert, key []byte) { return p.Cert, p.Key }

// ignored is for a call that has to fail.
func ignored(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return nil
}

// lockedBuffer takes what goroutines log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
