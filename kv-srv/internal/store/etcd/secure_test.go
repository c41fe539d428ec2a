package etcd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/etcd"
	"github.com/micro/platform/tests/backends"
)

// secured is an etcd of the test's own that wants certificates.
type secured struct {
	address, ca, cert, key string
	tls                    *tls.Config
}

func runSecured(t *testing.T) secured {
	t.Helper()
	backends.URL(t, "etcd") // where there is one, there is its binary
	ca := certstest.NewCA(t)
	pair := ca.Issue("localhost", time.Now().Add(time.Hour))
	s := secured{
		address: backends.FreeAddress(t), ca: certstest.File(t, ca.PEM),
		cert: certstest.File(t, pair.Cert), key: certstest.File(t, pair.Key),
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.tls = &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{certificate}}
	s.tls.RootCAs.AppendCertsFromPEM(ca.PEM)
	peer := "http://" + backends.FreeAddress(t)
	backends.Run(t, "etcd", "--data-dir", "data",
		"--listen-client-urls", "https://"+s.address, "--advertise-client-urls", "https://"+s.address,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--cert-file", s.cert, "--key-file", s.key, "--trusted-ca-file", s.ca, "--client-cert-auth")
	return s
}

// enableAuth makes a user for each name, of whom root and kv may all.
func (s secured) enableAuth(t *testing.T, password string) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"https://" + s.address}, TLS: s.tls, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	for _, name := range []string{"root", "kv"} {
		if _, err := client.UserAdd(ctx, name, password); err != nil {
			t.Fatal(err)
		}
		if _, err := client.UserGrantRole(ctx, name, "root"); err != nil && name == "root" {
			t.Fatal(err)
		}
	}
	if _, err := client.RoleAdd(ctx, "items"); err != nil {
		t.Fatal(err)
	}
	everything := clientv3.PermissionType(clientv3.PermReadWrite)
	if _, err := client.RoleGrantPermission(ctx, "items", "/team/", clientv3.GetPrefixRangeEnd("/team/"), everything); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UserGrantRole(ctx, "kv", "items"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestSecure needs all that a URL can have, and shows the password nowhere.
func TestSecure(t *testing.T) {
	const password = "pa:ss@/word"
	e := runSecured(t)
	e.enableAuth(t, password)
	files := url.Values{"ca": {e.ca}, "cert": {e.cert}, "key": {e.key}}
	open := func(user *url.Userinfo, query url.Values) *etcd.Store {
		return openAt(t, &url.URL{Scheme: "etcd", User: user, Host: e.address, Path: "/team", RawQuery: query.Encode()})
	}
	within := func(s *etcd.Store, d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := s.Put(ctx, "ns", store.Write{Key: "a", TTL: time.Hour, RequestID: "id"})
		return err
	}

	s := open(url.UserPassword("kv", password), files)
	if err := within(s, patient); err != nil {
		t.Fatalf("with all of it: %v", err)
	}
	if err := s.Watch(t.Context(), "ns", "", 0, func(store.Event) error { return context.Canceled }); err != context.Canceled { //nolint:errorlint // that very one
		t.Errorf("Watch: %v", err)
	}
	for name, s := range map[string]*etcd.Store{
		"wrong password": open(url.UserPassword("kv", "wr0ng-secret"), files),
		"no user":        open(nil, files),
		"no CA":          open(url.UserPassword("kv", password), url.Values{"tls": {"true"}}),
		"no TLS":         open(url.UserPassword("kv", password), nil),
	} {
		err := within(s, 5*time.Second)
		if err == nil {
			t.Errorf("%s: it works", name)
			continue
		}
		t.Logf("%s: %v", name, err)
		if said := fmt.Sprint(err, s.Ready(t.Context())); strings.Contains(said, password) || strings.Contains(said, "wr0ng") {
			t.Errorf("%s: the password is in %s", name, said)
		}
	}
}
