package registries_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go-micro.dev/v5/registry"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/tests/backends"
)

// secured is a server of the test's own that wants TLS, a certificate and a password.
type secured struct {
	t             *testing.T
	address       string
	ca, cert, key string // files
	user          *url.Userinfo
	tls           *tls.Config
}

const (
	password = "5ecret00-0000-4000-8000-000000000000" // of Consul it must be a UUID
	wrong    = "wr0ng000-0000-4000-8000-000000000000"
)

func newSecured(t *testing.T, name string) secured {
	t.Helper()
	backends.URL(t, name) // where there is one, there is its binary
	ca := certstest.NewCA(t)
	pair := ca.Issue("localhost", time.Now().Add(time.Hour))
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := secured{
		t: t, address: backends.FreeAddress(t), user: url.UserPassword("root", password),
		ca: certstest.File(t, ca.PEM), cert: certstest.File(t, pair.Cert), key: certstest.File(t, pair.Key),
		tls: &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{certificate}},
	}
	s.tls.RootCAs.AppendCertsFromPEM(ca.PEM)
	return s
}

func securedNATS(t *testing.T) secured {
	s := newSecured(t, "nats")
	host, port, _ := net.SplitHostPort(s.address)
	backends.Run(t, "nats-server", "-a", host, "-p", port, "--user", "root", "--pass", password,
		"--tls", "--tlscert", s.cert, "--tlskey", s.key, "--tlsverify", "--tlscacert", s.ca)
	return s
}

func securedConsul(t *testing.T) secured {
	s := newSecured(t, "consul")
	s.user = url.UserPassword("", password)
	_, port, _ := net.SplitHostPort(s.address)
	_, serf, _ := net.SplitHostPort(backends.FreeAddress(t))
	_, rpc, _ := net.SplitHostPort(backends.FreeAddress(t))
	backends.Run(t, backends.Consul(t), "agent", "-server", "-bootstrap-expect", "1", "-data-dir", filepath.Join(t.TempDir(), "data"), "-node", "one",
		"-bind", "127.0.0.1", "-client", "127.0.0.1", "-http-port", "-1", "-https-port", port, "-server-port", rpc,
		"-serf-lan-port", serf, "-serf-wan-port", "-1", "-dns-port", "-1", "-grpc-port", "-1",
		"-hcl", fmt.Sprintf(`acl { enabled = true default_policy = "deny" tokens { master = %q agent = %[1]q } } `, password),
		"-hcl", fmt.Sprintf(`cert_file = %q key_file = %q ca_file = %q verify_incoming_https = true`, s.cert, s.key, s.ca))
	return s
}

func securedEtcd(t *testing.T) secured {
	s := newSecured(t, "etcd")
	peer := "http://" + backends.FreeAddress(t)
	backends.Run(t, "etcd", "--data-dir", "data",
		"--listen-client-urls", "https://"+s.address, "--advertise-client-urls", "https://"+s.address,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--cert-file", s.cert, "--key-file", s.key, "--trusted-ca-file", s.ca, "--client-cert-auth")
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"https://" + s.address}, TLS: s.tls, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := client.UserAdd(ctx, "root", password); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UserGrantRole(ctx, "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSecure needs all that a URL can have, and shows the password nowhere.
func TestSecure(t *testing.T) {
	for scheme, run := range map[string]func(*testing.T) secured{"etcd": securedEtcd, "consul": securedConsul, "nats": securedNATS} {
		t.Run(scheme, func(t *testing.T) {
			s := run(t)
			files := url.Values{"ca": {s.ca}, "cert": {s.cert}, "key": {s.key}}
			at := func(user *url.Userinfo, query url.Values) *secureRegistry {
				return s.open(&url.URL{Scheme: scheme, User: user, Host: s.address, RawQuery: query.Encode()})
			}
			at(s.user, files).works()
			at(url.UserPassword(s.user.Username(), wrong), files).fails("wrong password")
			at(nil, files).fails("no password")
			at(s.user, url.Values{"tls": {"true"}}).fails("no CA")
			at(s.user, url.Values{"ca": {s.ca}}).fails("no certificate")
			at(s.user, nil).fails("no TLS")
		})
	}
}

type secureRegistry struct {
	*registries.Remote

	t   *testing.T
	log *bytes.Buffer
}

func (s secured) open(u *url.URL) *secureRegistry {
	s.t.Helper()
	c, err := read(map[string]string{"PLATFORM_REGISTRY": u.String()})
	if err != nil {
		s.t.Fatal(err)
	}
	var log bytes.Buffer
	r, err := registries.Open(s.t.Context(), c, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	return &secureRegistry{r.(*registries.Remote), s.t, &log}
}

// works waits for the server to be there.
func (r *secureRegistry) works() {
	r.t.Helper()
	defer r.Close()
	s := full("secure-"+uuid.NewString(), "1", "10.1.2.3:80")
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	late := time.Now().Add(time.Minute)
	for {
		if err := r.Register(s, registry.RegisterTTL(time.Minute)); err != nil {
			r.t.Fatal(err)
		}
		if r.Ready(s.Name) == nil {
			break
		}
		if <-ticker.C; time.Now().After(late) {
			r.t.Fatal(r.Ready(s.Name))
		}
	}
	find(r.t, r, s.Name, "10.1.2.3:80")
	w, err := r.Watch(registry.WatchService(s.Name))
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Stop()
	if err := r.Registry.Deregister(s); err != nil {
		r.t.Fatal(err)
	}
	if got, err := w.Next(); err != nil || got.Action != "delete" {
		r.t.Errorf("watch: got %v, %v, want the end of the service", got, err)
	}
}

func (r *secureRegistry) fails(why string) {
	r.t.Helper()
	defer r.Close()
	s := full("secure-"+uuid.NewString(), "1", "10.1.2.3:80")
	if err := r.Register(s, registry.RegisterTTL(time.Minute)); err != nil {
		r.t.Errorf("%s: %v", why, err)
	}
	_, err := r.GetService(s.Name)
	said := fmt.Sprint(r.Ready(s.Name), err, r.log)
	if r.Ready(s.Name) == nil {
		r.t.Errorf("%s: it works", why)
	}
	if strings.Contains(said, password) || strings.Contains(said, wrong) {
		r.t.Errorf("%s: the password is in %s", why, said)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(20 * time.Second); strings.HasSuffix(fmt.Sprint(r.Ready(s.Name)), "disconnected"); <-ticker.C {
		if time.Now().After(end) {
			r.t.Errorf("%s: it does not say why: %v", why, r.Ready(s.Name))
			break
		}
		_ = r.Register(s) // which tells why in the end
	}
	r.t.Logf("%s: %v", why, r.Ready(s.Name))
}
