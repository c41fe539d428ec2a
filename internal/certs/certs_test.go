package certs_test

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/setting"
)

// TestRead: what is wrong names the setting, and does not show a key.
func TestRead(t *testing.T) {
	ca := certstest.NewCA(t)
	pair, other := ca.Issue("a.test", time.Now().Add(time.Hour)), ca.Issue("b.test", time.Now().Add(time.Hour))
	cert, key, roots := certstest.File(t, pair.Cert), certstest.File(t, pair.Key), certstest.File(t, ca.PEM)
	otherKey, text := certstest.File(t, other.Key), certstest.File(t, []byte("no PEM"))
	missing := filepath.Join(t.TempDir(), "missing")
	tests := map[string]struct {
		env  map[string]string
		want string // "": nothing is wrong
	}{
		"nothing":                 {nil, ""},
		"TLS":                     {map[string]string{"CERT": cert, "KEY": key}, ""},
		"mutual TLS":              {map[string]string{"CERT": cert, "KEY": key, "CLIENT_CA": roots, "CA": roots, "SERVER_NAME": "a.test"}, ""},
		"a caller":                {map[string]string{"CA": roots, "SERVER_NAME": "a.test"}, ""},
		"a caller, system's CAs":  {map[string]string{"CA": "system"}, ""},
		"no key":                  {map[string]string{"CERT": cert}, "PLATFORM_TLS_KEY: missing"},
		"no certificate":          {map[string]string{"KEY": key}, "PLATFORM_TLS_CERT: missing"},
		"clients, no certificate": {map[string]string{"CLIENT_CA": roots}, "PLATFORM_TLS_CLIENT_CA: works with"},
		"name of nobody":          {map[string]string{"SERVER_NAME": "a.test"}, "PLATFORM_TLS_SERVER_NAME: works with"},
		"certificate away":        {map[string]string{"CERT": missing, "KEY": key}, "PLATFORM_TLS_CERT: open "},
		"key away":                {map[string]string{"CERT": cert, "KEY": missing}, "PLATFORM_TLS_KEY: open "},
		"other key":               {map[string]string{"CERT": cert, "KEY": otherKey}, "PLATFORM_TLS_CERT: " + cert},
		"certificate for key":     {map[string]string{"CERT": key, "KEY": cert}, "PLATFORM_TLS_CERT: " + key},
		"no PEM":                  {map[string]string{"CERT": cert, "KEY": key, "CLIENT_CA": text}, "PLATFORM_TLS_CLIENT_CA: " + text},
		"CA away":                 {map[string]string{"CA": missing}, "PLATFORM_TLS_CA: open "},
	}
	secret := strings.Split(string(pair.Key), "\n")[1]
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := setting.New(func(name string) string { return tt.env[strings.TrimPrefix(name, "PLATFORM_TLS_")] }, certs.Settings())
			certs.Read(v)
			err := v.Err()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("it shows the key: %v", err)
			}
		})
	}
}

// TestSource: a changed file is used after a second, one that cannot be used never.
func TestSource(t *testing.T) {
	ca := certstest.NewCA(t)
	first, second := ca.Issue("a.test", time.Now().Add(time.Hour)), ca.Issue("b.test", time.Now().Add(time.Hour))
	conf := certs.Config{Cert: certstest.File(t, first.Cert), Key: certstest.File(t, first.Key), CA: certstest.File(t, ca.PEM)}
	synctest.Test(t, func(t *testing.T) {
		prepared := 0
		server, err := conf.Server(slog.New(slog.DiscardHandler), func(*tls.Config) { prepared++ })
		if err != nil {
			t.Fatal(err)
		}
		client, err := conf.Client(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		was, called := server.Config(), client.Config()
		same := func(when string) {
			t.Helper()
			if server.Config() != was || client.Config() != called {
				t.Errorf("%s: another configuration", when)
			}
		}
		time.Sleep(time.Minute)
		same("unchanged")
		certstest.Replace(t, conf.Key, second.Key)
		time.Sleep(time.Minute)
		same("a key that does not fit")
		certstest.Replace(t, conf.Cert, second.Cert)
		same("within the second")
		time.Sleep(time.Second)
		if got := server.Config(); got == was || prepared != 2 {
			t.Errorf("the new certificate is not in use, or not prepared: %d", prepared)
		}
		if client.Config() == called {
			t.Error("the caller's new certificate is not in use")
		}
		was, called = server.Config(), client.Config()
		if err := os.Remove(conf.Cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		same("removed")
	})
}

// TestWithout: no TLS is not an error.
func TestWithout(t *testing.T) {
	var none certs.Config
	server, err := none.Server(slog.New(slog.DiscardHandler), nil)
	if server != nil || err != nil {
		t.Errorf("got %v, %v", server, err)
	}
	client, err := none.Client(slog.New(slog.DiscardHandler))
	if client != nil || err != nil {
		t.Errorf("got %v, %v", client, err)
	}
}
