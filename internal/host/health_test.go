package host_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
)

// ask asks a service at an address, with the settings that it has.
func ask(t *testing.T, env map[string]string, address string) error {
	t.Helper()
	env = maps.Clone(env)
	if env == nil {
		env = map[string]string{}
	}
	env["ONE_ADDRESS"] = address
	return host.Health(t.Context(), func(name string) string { return env[name] }, service("one-srv", nothing))
}

// tlsFiles are the settings of a service that serves TLS with a certificate for another
// name than it is asked by.
func tlsFiles(t *testing.T, ca *certstest.CA) map[string]string {
	t.Helper()
	pair := ca.Issue("elsewhere.test", time.Now().Add(time.Hour))
	return map[string]string{"PLATFORM_TLS_CERT": certstest.File(t, pair.Cert), "PLATFORM_TLS_KEY": certstest.File(t, pair.Key)}
}

func TestHealth(t *testing.T) {
	ca := certstest.NewCA(t)
	mutual := tlsFiles(t, ca)
	mutual["PLATFORM_TLS_CLIENT_CA"] = certstest.File(t, ca.PEM)
	for name, env := range map[string]map[string]string{"plain": nil, "tls": tlsFiles(t, ca), "mutual": mutual} {
		t.Run(name, func(t *testing.T) {
			var away error
			p := hosttest.Run(t, env, service("one-srv", func(_ context.Context, h *host.Host) error {
				h.Ready("store", func(context.Context) error { return away })
				h.Ready("keys", func(context.Context) error { return away })
				return nil
			}))
			if err := ask(t, env, p.Address("one-srv")); err != nil {
				t.Errorf("ready: got %v", err)
			}
			away = errors.New("it is away")
			if err := ask(t, env, p.Address("one-srv")); err == nil || err.Error() != "one-srv: waiting for keys: it is away, store: it is away" {
				t.Errorf("not ready: got %v", err)
			}
		})
	}
}

// TestHealthWildcard: who listens on every address is asked at that of loopback.
func TestHealthWildcard(t *testing.T) {
	env := map[string]string{"PLATFORM_INSECURE": "true", "ONE_ADDRESS": ":0"}
	p := hosttest.Run(t, env, service("one-srv", nothing))
	_, port, err := net.SplitHostPort(p.Address("one-srv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "localhost:" + port} {
		if err := ask(t, env, address); err != nil {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// TestHealthOldFiles: files that cannot be used any more are no reason, since the process
// goes on with those before.
func TestHealthOldFiles(t *testing.T) {
	env := tlsFiles(t, certstest.NewCA(t))
	p := hosttest.Run(t, env, service("one-srv", nothing))
	certstest.Replace(t, env["PLATFORM_TLS_CERT"], []byte("half a file"))
	if err := ask(t, env, p.Address("one-srv")); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestHealthNoAnswer(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	gone := httptest.NewServer(nil)
	gone.Close()
	ca := certstest.NewCA(t)
	mutual := tlsFiles(t, ca)
	mutual["PLATFORM_TLS_CLIENT_CA"] = certstest.File(t, certstest.NewCA(t).PEM)
	p := hosttest.Run(t, mutual, service("one-srv", nothing))
	for name, tt := range map[string]struct {
		env           map[string]string
		address, want string
	}{
		"nobody":         {nil, gone.Listener.Addr().String(), "one-srv: no answer at " + gone.Listener.Addr().String() + ": dial tcp"},
		"other":          {nil, other.Listener.Addr().String(), "one-srv: at " + other.Listener.Addr().String() + " is another server: it answers 404 Not Found"},
		"silent":         {nil, silent.Addr().String(), "context deadline exceeded"},
		"foreign":        {mutual, p.Address("one-srv"), "to the certificate of PLATFORM_TLS_CERT, which must be one of PLATFORM_TLS_CLIENT_CA: "},
		"free port":      {nil, "127.0.0.1:0", `ONE_ADDRESS: "127.0.0.1:0" takes a free port, which the process alone knows: set one`},
		"no such format": {nil, "8106", `ONE_ADDRESS: "8106" is no address such as 127.0.0.1:8080`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, tt.env, tt.address); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestHealthAll: each service that is not well is told.
func TestHealthAll(t *testing.T) {
	p := hosttest.Run(t, nil, service("two-srv", nothing))
	env := map[string]string{"ONE_ADDRESS": "127.0.0.1:0", "TWO_ADDRESS": p.Address("two-srv"), "THREE_ADDRESS": "3"}
	err := host.Health(t.Context(), func(name string) string { return env[name] },
		service("one-srv", nothing), service("two-srv", nothing), service("three-srv", nothing))
	var wrong *host.ConfigError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "one-srv: ") || strings.Contains(err.Error(), "two-srv: ") || !strings.Contains(err.Error(), "\nthree-srv: ") {
		t.Errorf("got %v", err)
	}
}
