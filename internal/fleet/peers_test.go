package fleet_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/tests/echo"
)

// TestPlain has services of others: they answer, and that is all there is to know.
func TestPlain(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	s := server.NewServer(server.Name("mucp"), server.Address("127.0.0.1:0"), server.Registry(reg), server.WithLogger(microlog.New(quiet())))
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Stop() }()
	l := listen(t)
	g := grpc.NewServer()
	go func() { _ = g.Serve(l) }()
	defer g.Stop()
	register(t, reg, "grpc", "a", l.Addr().String())
	w := watch(t, reg, fleet.Config{})
	for range 2 {
		w.look(time.Second)
		for _, s := range w.Services() {
			if i := s.Instances[0]; i.State != fleet.Unknown || i.Load.Known || !i.Started.IsZero() {
				t.Errorf("%s: got %+v", s.Name, i)
			}
		}
	}
}

// TestPeers looks at servers that are none of ours.
func TestPeers(t *testing.T) {
	asked := make(chan string, 100)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer elsewhere.Close()
	pages := map[string]http.HandlerFunc{
		"404":      http.NotFound,
		"page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") },
		"403":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"ok":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ready"}`) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for r := strings.Repeat("rpc_server_in_flight 1\n", 1000); ; {
				if _, err := io.WriteString(w, r); err != nil {
					return
				}
			}
		},
		"long": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, `{"status":"waiting","waiting":{"store":%q}}`, strings.Repeat("é", 500))
		},
		"stopping": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":"waiting","waiting":{"registry":"away","stop":"stopping"}}`)
		},
	}
	want := map[string]string{
		"404": "unknown", "page": "unknown", "403": "unknown answers 403 Forbidden", "ok": "ready",
		"redirect": "unknown answers 302 Found", "endless": "unknown", "stopping": "waiting stopping",
		"long":   "waiting store: " + strings.Repeat("é", 192) + "…",
		"nobody": "away connection refused", "closes": "away closes the connection", "silent": "away no answer within 1s",
		"none": `away no address to call: "nowhere"`,
	}
	reg := registry.NewMemoryRegistry()
	addresses := map[string]string{
		"nobody": freePort(t), "none": "nowhere", "silent": serveConn(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
		"closes": serveConn(t, func(c net.Conn) { _, _ = bufio.NewReader(c).ReadString('\n') }),
	}
	for name, h := range pages {
		s := httptest.NewServer(h)
		defer s.Close() //nolint:revive // they live as long as the test
		addresses[name] = s.Listener.Addr().String()
	}
	for name, address := range addresses {
		register(t, reg, name, "a", address)
	}
	w := watch(t, reg, fleet.Config{})
	w.look(0)
	for _, s := range w.Services() {
		i := s.Instances[0]
		if got := strings.TrimSpace(i.State.String() + " " + i.Why); got != want[s.Name] {
			t.Errorf("%s: got %q, want %q", s.Name, got, want[s.Name])
		}
		if i.Load.Known {
			t.Errorf("%s: got load %+v", s.Name, i.Load)
		}
	}
	if len(w.Services()) != len(want) {
		t.Errorf("got %d, want %d", len(w.Services()), len(want))
	}
	select {
	case path := <-asked:
		t.Errorf("a redirect was followed to %s", path)
	default:
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// freePort returns an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

// serveConn serves connections until the test ends.
func serveConn(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestTLS asks by TLS, and believes nobody without a certificate.
func TestTLS(t *testing.T) {
	ca, other := certstest.NewCA(t), certstest.NewCA(t)
	conf := func(name string, by, roots *certstest.CA) certs.Config {
		pair := by.Issue(name, time.Now().Add(time.Hour))
		return certs.Config{Cert: certstest.File(t, pair.Cert), Key: certstest.File(t, pair.Key), CA: certstest.File(t, roots.PEM), ServerName: "echo.test"}
	}
	env := conf("echo.test", ca, ca)
	p := hosttest.Run(t, map[string]string{
		"PLATFORM_TLS_CERT": env.Cert, "PLATFORM_TLS_KEY": env.Key, "PLATFORM_TLS_CA": env.CA, "PLATFORM_TLS_CLIENT_CA": env.CA,
	}, echo.Service(&echo.Handler{}))
	at := "echo-srv " + p.Address("echo-srv")
	foreign := conf("caller.test", ca, other)
	elsewhere := conf("caller.test", ca, ca)
	elsewhere.ServerName = "other.test"
	for name, tt := range map[string]struct {
		conf certs.Config
		want string
	}{
		"both":           {conf("caller.test", ca, ca), "ready"},
		"no certificate": {certs.Config{CA: env.CA, ServerName: "echo.test"}, "unknown refuses to be asked: tls: certificate required"},
		"foreign":        {conf("caller.test", other, ca), "unknown refuses to be asked: tls: unknown certificate authority"},
		"untrusted":      {foreign, "away certificate: certificate signed by unknown authority"},
		"other name":     {elsewhere, "away certificate: certificate is valid for echo.test, not other.test"},
	} {
		t.Run(name, func(t *testing.T) {
			secure, err := tt.conf.Client(quiet())
			if err != nil {
				t.Fatal(err)
			}
			w := watch(t, p.Registry, fleet.Config{Secure: secure})
			for range 3 {
				w.look(time.Second)
				w.want(map[string]string{at: tt.want})
			}
			if got := w.only().Load.Known; got != (name == "both") {
				t.Errorf("got load known %t", got)
			}
		})
	}
	t.Run("not by TLS", func(t *testing.T) {
		w := watch(t, p.Registry, fleet.Config{})
		w.look(0)
		w.want(map[string]string{at: "unknown answers 400 Bad Request"})
	})
}
