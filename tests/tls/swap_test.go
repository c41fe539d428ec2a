package tls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
)

// TestSwap replaces certificates of the service, its CA for callers, and those of a
// client while all protocols call it on new connections and on old ones. No call fails,
// and each change is in use soon.
func TestSwap(t *testing.T) {
	old, next := certstest.NewCA(t), certstest.NewCA(t)
	both := slices.Concat(old.PEM, next.PEM)
	s := open(t, true)
	certstest.Replace(t, s.clientCA, slices.Concat(s.ca.PEM, both))
	certstest.Replace(t, s.serviceCA, slices.Concat(s.ca.PEM, both))
	mine := s.ca.Issue("caller.test", time.Now().Add(time.Hour))
	conf := certs.Config{Cert: certstest.File(t, mine.Cert), Key: certstest.File(t, mine.Key), CA: s.serviceCA}
	known := s.trust(t, &mine)
	known.RootCAs.AppendCertsFromPEM(both)

	one := next.Issue("caller.test", time.Now().Add(time.Hour))
	s.awaitHello(t, s.trust(t, &one))

	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int64
	var load sync.WaitGroup
	for _, c := range append(s.callers(t, known), s.micro(platform(t, conf))) {
		load.Go(func() {
			defer c.hangUp()
			for n := 0; ctx.Err() == nil; n++ {
				call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
				if got, err := c.call(call, "hi"); err != nil || got != "hi" {
					t.Errorf("%s: got %q, %v", c.name, got, err)
				}
				cancel()
				calls.Add(1)
				if n%10 == 0 && c.name != "gRPC" {
					c.hangUp()
				}
			}
		})
	}
	for round, ca := range []*certstest.CA{old, next, old, next} {
		pair := ca.Issue("echo.test", time.Now().Add(time.Hour))
		certstest.Replace(t, s.key, pair.Key) // and for a moment it does not fit
		certstest.Replace(t, s.cert, pair.Cert)
		client := ca.Issue("caller.test", time.Now().Add(time.Hour))
		certstest.Replace(t, conf.Key, client.Key)
		certstest.Replace(t, conf.Cert, client.Cert)
		s.await(t, known, ca)
		t.Logf("round %d: %d calls", round+1, calls.Load())
	}
	stop()
	load.Wait()
}

// await dials until the service shows a certificate of ca.
func (s *site) await(t *testing.T, conf *tls.Config, ca *certstest.CA) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	conf = conf.Clone()
	conf.RootCAs = roots
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		conn, err := tls.Dial("tcp", s.address, conf)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the new certificate is not in use: %v", err)
		}
	}
}

// TestSwapCA: callers of a CA that is no longer trusted are refused, also who was there
// before and would resume its session.
func TestSwapCA(t *testing.T) {
	s := open(t, true)
	next := certstest.NewCA(t)
	before, after := s.ca.Issue("caller.test", time.Now().Add(time.Hour)), next.Issue("caller.test", time.Now().Add(time.Hour))
	conf := s.trust(t, &before)
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if err := s.hello(t, conf); err != nil {
		t.Fatal(err)
	}
	certstest.Replace(t, s.clientCA, next.PEM)
	s.awaitHello(t, s.trust(t, &after))
	if err := s.hello(t, conf); err == nil {
		t.Error("a caller of the old CA is served")
	}
	// What cannot be used changes nothing.
	certstest.Replace(t, s.clientCA, []byte("no certificate"))
	time.Sleep(2 * time.Second)
	if err := s.hello(t, s.trust(t, &after)); err != nil {
		t.Errorf("after a file that cannot be used: %v", err)
	}
}

// awaitHello calls until the service lets it in.
func (s *site) awaitHello(t *testing.T, conf *tls.Config) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := s.hello(t, conf)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the new CA is not in use: %v", err)
		}
	}
}

// hello calls once, on a connection of its own.
func (s *site) hello(t *testing.T, conf *tls.Config) error {
	t.Helper()
	c := s.grpc(t, conf)
	defer c.hangUp()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := c.call(ctx, "hi")
	return err
}
