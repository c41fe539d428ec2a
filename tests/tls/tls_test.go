// Package tls_test calls services by TLS and by mutual TLS, over every protocol.
package tls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// patience is for what should take no time at all.
const patience = 20 * time.Second

// site is an echo-srv that serves TLS, and what its certificates come from.
type site struct {
	*hosttest.Platform

	ca                  *certstest.CA
	cert, key           string // files
	clientCA, serviceCA string // files
	address             string
}

// open starts a site with more settings; mutual asks callers for a certificate of its CA.
func open(t *testing.T, mutual bool, settings ...string) *site {
	t.Helper()
	ca := certstest.NewCA(t)
	pair := ca.Issue("echo.test", time.Now().Add(time.Hour))
	s := &site{
		ca: ca, cert: certstest.File(t, pair.Cert), key: certstest.File(t, pair.Key),
		clientCA: certstest.File(t, ca.PEM), serviceCA: certstest.File(t, ca.PEM),
	}
	env := map[string]string{"PLATFORM_TLS_CERT": s.cert, "PLATFORM_TLS_KEY": s.key, "PLATFORM_TLS_CA": s.serviceCA}
	if mutual {
		env["PLATFORM_TLS_CLIENT_CA"] = s.clientCA
	}
	for pair := range slices.Chunk(settings, 2) {
		env[pair[0]] = pair[1]
	}
	s.Platform = hosttest.Run(t, env, echo.Service(&echo.Handler{}))
	s.address = s.Address("echo-srv")
	return s
}

// caller is who calls by one protocol and configuration. hangUp closes what it has.
type caller struct {
	name   string
	call   func(ctx context.Context, text string) (string, error)
	count  func(ctx context.Context, n int32) (int32, error)
	hangUp func()
}

// callers returns one of each protocol, whose connections begin as conf says.
func (s *site) callers(t *testing.T, conf *tls.Config) []caller {
	t.Helper()
	h1 := &http.Transport{TLSClientConfig: conf.Clone()}
	h1.TLSClientConfig.NextProtos = []string{"http/1.1"}
	h2 := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: true}
	return []caller{
		s.grpc(t, conf),
		s.connect("Connect, HTTP/1.1", h1, connect.WithProtoJSON()),
		s.connect("Connect, HTTP/2", h2),
		s.connect("gRPC-Web, HTTP/1.1", h1, connect.WithGRPCWeb()),
		s.connect("gRPC-Web, HTTP/2", h2, connect.WithGRPCWeb()),
		s.connect("gRPC, by who offers HTTP/1.1 too", h2, connect.WithGRPC()),
	}
}

func (s *site) grpc(t *testing.T, conf *tls.Config) caller {
	t.Helper()
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(credentials.NewTLS(conf.Clone())))
	if err != nil {
		t.Fatal(err)
	}
	return caller{
		name: "gRPC",
		call: func(ctx context.Context, text string) (string, error) {
			out := new(echopb.CallResponse)
			err := conn.Invoke(ctx, "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: text}, out)
			return out.GetText(), err
		},
		count: func(ctx context.Context, n int32) (int32, error) {
			st, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
			if err != nil {
				return 0, err
			}
			if err := errors.Join(st.SendMsg(&echopb.CountRequest{Count: n}), st.CloseSend()); err != nil {
				return 0, err
			}
			for got := int32(0); ; got++ {
				if err := st.RecvMsg(new(echopb.CountResponse)); errors.Is(err, io.EOF) {
					return got, nil
				} else if err != nil {
					return got, err
				}
			}
		},
		hangUp: func() { _ = conn.Close() },
	}
}

func (s *site) connect(name string, over *http.Transport, opts ...connect.ClientOption) caller {
	base := "https://" + s.address + "/micro.test.v1.Echo/"
	call := connect.NewClient[echopb.CallRequest, echopb.CallResponse](&http.Client{Transport: over}, base+"Call", opts...)
	count := connect.NewClient[echopb.CountRequest, echopb.CountResponse](&http.Client{Transport: over}, base+"Count", opts...)
	return caller{
		name: name,
		call: func(ctx context.Context, text string) (string, error) {
			rsp, err := call.CallUnary(ctx, connect.NewRequest(&echopb.CallRequest{Text: text}))
			if err != nil {
				return "", err
			}
			return rsp.Msg.GetText(), nil
		},
		count: func(ctx context.Context, n int32) (int32, error) {
			st, err := count.CallServerStream(ctx, connect.NewRequest(&echopb.CountRequest{Count: n}))
			if err != nil {
				return 0, err
			}
			var got int32
			for st.Receive() {
				got++
			}
			return got, errors.Join(st.Err(), st.Close())
		},
		hangUp: over.CloseIdleConnections,
	}
}

// micro calls by go-micro RPC with a client of the platform.
func (s *site) micro(c microclient.Client) caller {
	e := echopb.NewEchoService("echo-srv", c)
	return caller{
		name: "go-micro RPC",
		call: func(ctx context.Context, text string) (string, error) {
			rsp, err := e.Call(ctx, &echopb.CallRequest{Text: text}, append(client.Unary(ctx, false), microclient.WithAddress(s.address))...)
			if err != nil {
				return "", client.Error(err)
			}
			return rsp.GetText(), nil
		},
		count: func(ctx context.Context, n int32) (int32, error) {
			st, err := e.Count(ctx, &echopb.CountRequest{Count: n}, microclient.WithAddress(s.address))
			if err != nil {
				return 0, err
			}
			for got := int32(0); ; got++ {
				if _, err := st.Recv(); errors.Is(err, io.EOF) {
					return got, st.Close()
				} else if err != nil {
					return got, err
				}
			}
		},
		hangUp: func() {},
	}
}

// trust is the configuration of a caller that knows the site, and has a certificate if
// pair is not nil.
func (s *site) trust(t *testing.T, pair *certstest.Pair) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.ca.PEM)
	conf := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if pair != nil {
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return conf
}

// TestTLS: every protocol, unary and streams, by TLS 1.2 and 1.3, with and without
// certificates of callers.
func TestTLS(t *testing.T) {
	for name, mutual := range map[string]bool{"TLS": false, "mutual TLS": true} {
		s := open(t, mutual)
		var pair *certstest.Pair
		if mutual {
			p := s.ca.Issue("caller.test", time.Now().Add(time.Hour))
			pair = &p
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			conf := s.trust(t, pair)
			conf.MinVersion, conf.MaxVersion = version, version
			for _, c := range append(s.callers(t, conf), s.micro(s.Client)) {
				t.Run(fmt.Sprintf("%s/%s/%s", name, tls.VersionName(version), c.name), func(t *testing.T) {
					defer c.hangUp()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if got, err := c.call(ctx, "hi"); err != nil || got != "hi" {
						t.Errorf("unary: got %q, %v", got, err)
					}
					if got, err := c.count(ctx, 1000); err != nil || got != 1000 {
						t.Errorf("stream: got %d messages, %v", got, err)
					}
				})
			}
		}
	}
}

// TestFloor: nothing older than TLS 1.2, and there no suite without forward secrecy and
// authenticated encryption.
func TestFloor(t *testing.T) {
	s := open(t, false)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.1":            func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC":                func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA} },
		"no forward secrecy": func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} },
	} {
		conf := s.trust(t, nil)
		conf.MaxVersion = tls.VersionTLS12
		change(conf)
		if _, err := tls.Dial("tcp", s.address, conf); err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

// TestResumption: a caller that comes back need not show or check certificates again.
func TestResumption(t *testing.T) {
	s := open(t, true)
	pair := s.ca.Issue("caller.test", time.Now().Add(time.Hour))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := s.trust(t, &pair)
		conf.MaxVersion, conf.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		over := &http.Transport{TLSClientConfig: conf}
		t.Cleanup(over.CloseIdleConnections)
		for again := range 2 {
			rsp := get(t, over, "https://"+s.address+"/healthz")
			if rsp.TLS.DidResume != (again == 1) {
				t.Errorf("%s, connection %d: resumed is %v", tls.VersionName(version), again+1, rsp.TLS.DidResume)
			}
			over.CloseIdleConnections()
		}
	}
}

func get(t *testing.T, over http.RoundTripper, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := (&http.Client{Transport: over}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	if _, err := io.Copy(io.Discard, rsp.Body); err != nil {
		t.Fatal(err)
	}
	return rsp
}

// TestPlain: who forgets TLS is told.
func TestPlain(t *testing.T) {
	s := open(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/micro.test.v1.Echo/Call", bytes.NewReader([]byte(`{}`)))
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	if body, err := io.ReadAll(rsp.Body); err != nil || rsp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "HTTPS") {
		t.Errorf("got %d %q, %v", rsp.StatusCode, body, err)
	}
}

// platform is a client that a certs.Config makes.
func platform(t *testing.T, conf certs.Config) microclient.Client {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	secure, err := conf.Client(log)
	if err != nil {
		t.Fatal(err)
	}
	return client.New(registry.NewMemoryRegistry(), secure, log)
}
