package console_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// TestStream: a page that follows comes through as it happens, and ends with the console.
func TestStream(t *testing.T) {
	var events *bufio.Scanner
	ctx := t.Context() // outlives the console
	t.Run("while it runs", func(t *testing.T) {
		s := run(t, nil, kvserver.Service())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/kv/keys?namespace=default", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		rsp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		events = bufio.NewScanner(rsp.Body)
		awaitLine(t, events, "No items yet")
		put(t, s, "came later", "")
		awaitLine(t, events, "came later")
	})
	for events.Scan() {
	}
}

func awaitLine(t *testing.T, lines *bufio.Scanner, part string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), part) {
			return
		}
	}
	t.Fatalf("the stream ends before %q: %v", part, lines.Err())
}

// TestAnotherInstance: one that does not answer is not asked.
func TestAnotherInstance(t *testing.T) {
	s := run(t, map[string]string{"CONSOLE_SERVICES": "kv-srv=127.0.0.1:1"}, kvserver.Service())
	s.await("/", "connection refused")
	s.has(s.await("/kv/", "Namespaces"), http.StatusOK)
	s.has(s.get("/kv@127.0.0.1:1/"), http.StatusServiceUnavailable, "127.0.0.1:1 does not answer")
}

// TestTLS: with mutual TLS the console shows its certificate to services, and asks who
// looks for theirs.
func TestTLS(t *testing.T) {
	ca := certstest.NewCA(t)
	pair := ca.Issue("platform.test", time.Now().Add(time.Hour))
	dir := t.TempDir()
	env := map[string]string{"PLATFORM_TLS_SERVER_NAME": "platform.test"}
	for name, data := range map[string][]byte{"CERT": pair.Cert, "KEY": pair.Key, "CLIENT_CA": ca.PEM, "CA": ca.PEM} {
		env["PLATFORM_TLS_"+name] = filepath.Join(dir, name)
		if err := os.WriteFile(env["PLATFORM_TLS_"+name], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := hosttest.Run(t, env, kvserver.Service(), console.Service())
	if _, err := kvclient.New(p.Client).Put(t.Context(), "greeting", []byte("hello by TLS")); err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	http2 := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "platform.test", Certificates: []tls.Certificate{own}}}
	t.Cleanup(http2.CloseIdleConnections)
	s := &site{Platform: p, t: t, base: "https://" + p.Address("console"), transport: http2}
	s.await("/", "2 services, 2 instances, all ready")
	got := s.get("/kv/item?key=greeting")
	s.has(got, http.StatusOK, "hello by TLS")
	if cookie := got.header.Get("Set-Cookie"); !strings.Contains(cookie, "Secure") {
		t.Errorf("the cookie is %s, want it Secure", cookie)
	}
	s.has(s.get("/call?service=kv-srv&method=KV.Get"), http.StatusOK, "KV.Get")

	stranger := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "platform.test"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rsp, err := stranger.RoundTrip(req); err == nil {
		t.Errorf("without a certificate: got %s", rsp.Status)
		rsp.Body.Close()
	}
}
