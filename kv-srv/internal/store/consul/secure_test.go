package consul_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/consul"
	"github.com/micro/platform/tests/backends"
)

// The tokens of a Consul must be UUIDs.
const (
	master  = "11111111-0000-4000-8000-000000000000" // may all
	token   = "5ec2e700-0000-4000-8000-000000000000" // may write below team/
	unknown = "bad70ce0-0000-4000-8000-000000000000"
)

// secured is a Consul of the test's own that wants certificates and a token.
type secured struct {
	address       string
	ca, cert, key string // files
	client        *api.Client
}

func runSecured(t *testing.T) secured {
	t.Helper()
	backends.URL(t, "consul") // where there is one, there is its binary
	ca := certstest.NewCA(t)
	pair := ca.Issue("localhost", time.Now().Add(time.Hour))
	s := secured{
		address: backends.FreeAddress(t), ca: certstest.File(t, ca.PEM),
		cert: certstest.File(t, pair.Cert), key: certstest.File(t, pair.Key),
	}
	_, https, _ := net.SplitHostPort(s.address)
	_, rpc, _ := net.SplitHostPort(backends.FreeAddress(t))
	_, serf, _ := net.SplitHostPort(backends.FreeAddress(t))
	backends.Run(t, backends.Consul(t), "agent", "-server", "-bootstrap-expect", "1", "-data-dir", "data", "-node", "one",
		"-bind", "127.0.0.1", "-client", "127.0.0.1", "-http-port", "-1", "-https-port", https, "-server-port", rpc,
		"-serf-lan-port", serf, "-serf-wan-port", "-1", "-dns-port", "-1", "-grpc-port", "-1",
		"-hcl", fmt.Sprintf(`acl { enabled = true default_policy = "deny" tokens { master = %q agent = %[1]q } }`, master),
		"-hcl", fmt.Sprintf(`ca_file = %q cert_file = %q key_file = %q verify_incoming = true`, s.ca, s.cert, s.key))
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	config := api.DefaultConfig()
	config.Address, config.Scheme, config.Token = s.address, "https", master
	config.Transport.TLSClientConfig = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}
	if s.client, err = api.NewClient(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// allow makes a token with what README.md says that it needs. It waits for the server.
func (s secured) allow(t *testing.T, secret, rules string) {
	t.Helper()
	policy := &api.ACLPolicy{Name: "policy-" + secret, Rules: rules}
	var err error
	for late := time.Now().Add(patient); ; time.Sleep(100 * time.Millisecond) {
		if policy, _, err = s.client.ACL().PolicyCreate(policy, nil); err == nil {
			break
		}
		if policy = (&api.ACLPolicy{Name: "policy-" + secret, Rules: rules}); time.Now().After(late) {
			t.Fatal(err)
		}
	}
	made := &api.ACLToken{SecretID: secret, Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}
	if _, _, err := s.client.ACL().TokenCreate(made, nil); err != nil {
		t.Fatal(err)
	}
}

// TestSecure needs all that a URL can have, and shows the token nowhere.
func TestSecure(t *testing.T) {
	t.Setenv(api.HTTPTokenEnvName, master) // is not looked at
	c := runSecured(t)
	const elsewhere = "22222222-0000-4000-8000-000000000000"
	c.allow(t, token, `key_prefix "team/" { policy = "write" }`)
	c.allow(t, elsewhere, `key_prefix "kv/" { policy = "write" }`)
	files := url.Values{"ca": {c.ca}, "cert": {c.cert}, "key": {c.key}}
	open := func(secret string, query url.Values) *consul.Store {
		u := &url.URL{Scheme: "consul", Host: c.address, Path: "/team", RawQuery: query.Encode()}
		if secret != "" {
			u.User = url.UserPassword("", secret)
		}
		return openAt(t, u)
	}
	useAll(t, open(token, files))

	const half = "33333333-0000-4000-8000-000000000000"
	c.allow(t, half, `key_prefix "team/" { policy = "write" } key_prefix "team/l/" { policy = "deny" }`)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if _, err := open(half, files).Put(ctx, "ns", store.Write{Key: "a"}); err == nil || ctx.Err() != nil {
		t.Errorf("half of the keys: got %v (%v), want an error of Consul's", err, ctx.Err())
	}

	for name, s := range map[string]*consul.Store{
		"unknown token":    open(unknown, files),
		"another's token":  open(elsewhere, files),
		"no token":         open("", files),
		"no CA":            open(token, url.Values{"tls": {"true"}}),
		"no certificate":   open(token, url.Values{"ca": {c.ca}}),
		"no TLS":           open(token, nil),
		"no TLS, no token": open("", nil),
	} {
		for op, err := range tryAll(t, s) {
			if !strings.HasPrefix(fmt.Sprint(err), "consul at "+c.address+": ") {
				t.Errorf("%s: %s: got %v, want an error of Consul's", name, op, err)
			}
			if said := fmt.Sprint(err); strings.Contains(said, "-0000-4000-8000-") {
				t.Errorf("%s: %s: the token is in %s", name, op, said)
			}
			if op == "Get" {
				t.Logf("%s: %v", name, err)
			}
		}
	}
}

// tryAll returns what each method says.
func tryAll(t *testing.T, s *consul.Store) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	said := map[string]error{"Ready": s.Ready(ctx)}
	_, said["Put"] = s.Put(ctx, "ns", store.Write{Key: "a", TTL: time.Hour, RequestID: "id"})
	_, said["Get"] = s.Get(ctx, "ns", "a")
	_, _, said["Increment"] = s.Increment(ctx, "ns", store.Addition{Key: "n", Delta: 1})
	_, said["Touch"] = s.Touch(ctx, "ns", "a", time.Hour)
	_, said["List"] = s.List(ctx, "ns", store.Query{Limit: 10, MaxBytes: 1 << 20})
	said["Delete"] = s.Delete(ctx, "ns", store.Removal{Key: "a"})
	_, said["DeletePrefix"] = s.DeletePrefix(ctx, "ns", "")
	begun := errors.New("the watch has begun")
	if err := s.Watch(ctx, "ns", "", 0, func(store.Event) error { return begun }); !errors.Is(err, begun) {
		said["Watch"] = err
	} else {
		said["Watch"] = nil
	}
	return said
}

// useAll wants that each method works, and that what has ended is removed.
func useAll(t *testing.T, s *consul.Store) {
	t.Helper()
	for op, err := range tryAll(t, s) {
		if err != nil {
			t.Errorf("%s with all of it: %v", op, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	from := mustPut(t, s, store.Write{Key: "short", TTL: time.Second})
	expired := errors.New("expired")
	err := s.Watch(ctx, "ns", "", from, func(e store.Event) error {
		if e.Kind == store.Expired {
			return expired
		}
		return nil
	})
	if !errors.Is(err, expired) {
		t.Errorf("an item that ended: %v", err)
	}
}
