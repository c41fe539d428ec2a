// Package registries_test runs kv-srv in processes of its own, on registries that are
// killed.
package registries_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/consul"
	"go-micro.dev/v5/registry/etcd"
	"go-micro.dev/v5/registry/nats"
	"go-micro.dev/v5/selector"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/tests/backends"
)

// ttl is how long what does not renew itself stays registered.
const ttl = 30 * time.Second

// plugins are go-micro's own.
var plugins = map[string]func(u *url.URL) registry.Registry{
	"etcd":   func(u *url.URL) registry.Registry { return etcd.NewEtcdRegistry(registry.Addrs(u.Host)) },
	"consul": func(u *url.URL) registry.Registry { return consul.NewConsulRegistry(registry.Addrs(u.Host)) },
	"nats": func(u *url.URL) registry.Registry {
		return nats.NewNatsRegistry(registry.Addrs(u.Host), registry.Timeout(time.Second))
	},
}

// TestLife runs kv-srv on each registry from before its start to after its loss.
func TestLife(t *testing.T) {
	path, whole := "", t
	for _, backend := range []string{"etcd", "consul", "nats"} {
		t.Run(backend, func(t *testing.T) {
			u := backends.URL(t, backend)
			if path == "" {
				path = build(whole)
			}
			life(t, backend, u, binary{t, path, u.String()})
		})
	}
}

func life(t *testing.T, backend string, u *url.URL, b binary) {
	lose(t, backend)
	one := b.serve()
	if got := one.readyz(); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, backend+" at "+u.Host) {
		t.Errorf("/readyz without a registry: got %s, want 503 and %s at %s", got, backend, u.Host)
	}
	ours := open(t, u)
	kv := kvclient.New(client.New(ours, nil, slog.New(slog.DiscardHandler)))
	if err := put(t, kv, "a"); err == nil {
		t.Error("there is nothing to find the service by, but a call came through")
	}
	backends.Start(t, backend)
	await(t, "ready when the registry is there", func() bool { return strings.HasPrefix(one.readyz(), "200 ") })
	two := b.serve()
	await(t, "both are found", func() bool { return slices.Equal(found(ours), sorted(one.address, two.address)) })
	if got := b.run("services"); !strings.Contains(got, one.address) || !strings.Contains(got, two.address) {
		t.Errorf("platform services: got %s", got)
	}
	b.run("kv", "put", "cli", "value")
	await(t, "a call by name", func() bool { return put(t, kv, "a") == nil }) // go-micro's cache looks again after 5 s
	stock(t, plugins[backend](u))

	lose(t, backend)
	for i := range 20 {
		if err := put(t, kv, fmt.Sprint("lost", i)); err != nil {
			t.Errorf("a call without the registry: %v", err)
		}
		if got := found(ours); !slices.Equal(got, sorted(one.address, two.address)) {
			t.Errorf("a lookup without the registry: got %v", got)
		}
	}
	backends.Start(t, backend)
	await(t, "registered again", func() bool { return slices.Equal(found(open(t, u)), sorted(one.address, two.address)) })

	one.end(syscall.SIGKILL)
	if took := await(t, "a killed process is gone", func() bool { return slices.Equal(found(ours), []string{two.address}) }); took > ttl+10*time.Second {
		t.Errorf("a killed process was found for %v", took)
	}
	await(t, "no call goes to it", func() bool {
		for i := range 10 {
			if put(t, kv, fmt.Sprint("killed", i)) != nil {
				return false
			}
		}
		return true
	})
	two.end(syscall.SIGTERM)
	if got := found(open(t, u)); got != nil {
		t.Errorf("stopped, but still there: %v", got)
	}
}

// lose kills a registry and deletes what it stored.
func lose(t *testing.T, backend string) {
	t.Helper()
	backends.Kill(t, backend)
	if dir := os.Getenv("BACKENDS_DIR"); dir != "" {
		if err := os.RemoveAll(filepath.Join(dir, backend, "data")); err != nil {
			t.Fatal(err)
		}
	}
}

// open returns the registry as services have it, until the end of the test.
func open(t *testing.T, u *url.URL) registry.Registry {
	t.Helper()
	v := setting.New(func(name string) string { return map[string]string{"PLATFORM_REGISTRY": u.String()}[name] }, registries.Settings())
	c := registries.Read(v)
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	r, err := registries.Open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// found returns the addresses of kv-srv, in order; nothing where the registry does not say.
func found(r registry.Registry) []string {
	all, err := r.GetService("kv-srv")
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range all {
		for _, n := range s.Nodes {
			out = append(out, n.Address)
		}
	}
	return sorted(out...)
}

func sorted(all ...string) []string {
	slices.Sort(all)
	return all
}

func put(t *testing.T, kv *kvclient.Client, key string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := kv.Put(ctx, key, []byte("value"))
	return errors.Join(err, ctx.Err())
}

// unwatched is a registry that go-micro's cache cannot watch: that of Consul panics where a
// watch ends before it has begun, and shares with the cache what both change.
type unwatched struct{ registry.Registry }

func (unwatched) Watch(...registry.WatchOption) (registry.Watcher, error) {
	return nil, errors.New("not to be watched")
}

// stock calls with go-micro's own client and registry.
func stock(t *testing.T, r registry.Registry) {
	t.Helper()
	r = unwatched{r}
	c := microclient.NewClient(microclient.Registry(r), microclient.Selector(selector.NewSelector(selector.Registry(r))),
		microclient.ContentType("application/protobuf"))
	defer func() {
		if err := c.Options().Selector.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := put(t, kvclient.New(c), "stock"); err != nil {
		t.Errorf("go-micro's own client and registry: %v", err)
	}
}
