package redis_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/redis"
	"github.com/micro/platform/tests/backends"
)

// TestSecure needs all that a URL can have, and shows the password nowhere.
func TestSecure(t *testing.T) {
	const password = "pa:ss@/word"
	ca := certstest.NewCA(t)
	pair := ca.Issue("localhost", time.Now().Add(time.Hour))
	files := url.Values{
		"ca": {certstest.File(t, ca.PEM)}, "cert": {certstest.File(t, pair.Cert)}, "key": {certstest.File(t, pair.Key)},
	}
	address := backends.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	run(t, "--port", "0", "--tls-port", port, "--tls-auth-clients", "yes", "--tls-ca-cert-file", files.Get("ca"),
		"--tls-cert-file", files.Get("cert"), "--tls-key-file", files.Get("key"),
		"--user", "kv", "on", ">"+password, "~kv:*", "+@all", "--user", "default", "off")
	at := func(scheme string, user *url.Userinfo, query url.Values) *redis.Store {
		return open(t, &url.URL{Scheme: scheme, User: user, Host: address, Path: "/1", RawQuery: query.Encode()})
	}
	within := func(s *redis.Store, d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := s.Put(ctx, "ns", store.Write{Key: "a", TTL: time.Hour, RequestID: "id"})
		return err
	}

	right := url.UserPassword("kv", password)
	s := at("rediss", right, files)
	await(t, "an answer with all of it", func() bool { return within(s, patient) == nil })
	if err := s.Watch(t.Context(), "ns", "", 0, func(store.Event) error { return context.Canceled }); err != context.Canceled { //nolint:errorlint // that very one
		t.Errorf("Watch: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
	for name, s := range map[string]*redis.Store{
		"wrong password": at("rediss", url.UserPassword("kv", "wr0ng-secret"), files),
		"no user":        at("rediss", nil, files),
		"no CA":          at("rediss", right, url.Values{"cert": files["cert"], "key": files["key"]}),
		"no certificate": at("rediss", right, url.Values{"ca": files["ca"]}),
		"no TLS":         at("redis", right, nil),
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
