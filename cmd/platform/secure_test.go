package main

import (
	"maps"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
)

// TestTLS calls a service that wants a certificate, by gRPC and by go-micro RPC, with
// flags and with settings.
func TestTLS(t *testing.T) {
	ca := certstest.NewCA(t)
	files := func(name string) map[string]string {
		pair, roots := ca.Issue(name, time.Now().Add(time.Hour)), certstest.File(t, ca.PEM)
		return map[string]string{
			"PLATFORM_TLS_CERT": certstest.File(t, pair.Cert), "PLATFORM_TLS_KEY": certstest.File(t, pair.Key), "PLATFORM_TLS_CA": roots,
		}
	}
	serving := files("kv.test")
	serving["PLATFORM_TLS_CLIENT_CA"] = serving["PLATFORM_TLS_CA"]
	p := hosttest.Run(t, serving, kvserver.Service())
	env := files("caller.test")
	with := func(t *testing.T, env map[string]string) command {
		t.Helper()
		return command{t, process{stdinTerminal: true, getenv: func(name string) string { return env[name] }, registry: p.Registry, services: services()}}
	}
	flags := []string{"--ca", env["PLATFORM_TLS_CA"], "--cert", env["PLATFORM_TLS_CERT"], "--key", env["PLATFORM_TLS_KEY"], "--server-name", "kv.test"}
	for name, tt := range map[string]struct {
		env   map[string]string
		flags []string
	}{"settings": {env, nil}, "flags": {nil, flags}} {
		t.Run(name, func(t *testing.T) {
			c := with(t, tt.env)
			c.want(c.run(append(tt.flags, "kv", "put", "greeting", "hello")...), 0, "\n", "")
			c.want(c.run(append(tt.flags, "kv", "get", "greeting")...), 0, "hello", "")
			c.want(c.run(append(tt.flags, "top", "--count", "1")...), 0, `"state":"ready"`, "")
			c.want(c.run(append(tt.flags, "call", "kv", "KV.Get", `{"key":"greeting"}`)...), 0, "aGVsbG8=", "")
		})
	}
	// Each refusal says why.
	none := map[string]string{"PLATFORM_TLS_CA": env["PLATFORM_TLS_CA"]}
	other := maps.Clone(env)
	other["PLATFORM_TLS_SERVER_NAME"] = "other.test"
	for name, tt := range map[string]struct {
		env   map[string]string
		want  string
		state string
	}{
		"no certificate": {none, "certificate required", `"state":"unknown","why":"refuses to be asked: tls: certificate required"`},
		"other name":     {other, "not other.test", `"state":"away","why":"certificate: certificate is valid for kv.test, not other.test"`},
	} {
		t.Run(name+"/top", func(t *testing.T) {
			c := with(t, tt.env)
			c.want(c.run("top", "--count", "1"), 0, tt.state, "")
		})
		for _, args := range [][]string{{"call", "kv", "KV.Get", `{"key":"greeting"}`}, {"kv", "get", "greeting"}} {
			t.Run(name+"/"+args[0], func(t *testing.T) {
				c := with(t, tt.env)
				c.want(c.run(args...), 6, "", tt.want)
			})
		}
	}
	plain := with(t, nil)
	plain.want(plain.run("--cert", "/none", "call", "kv"), 2, "", "PLATFORM_TLS_KEY: missing")
}
