package registries_test

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/consul"
	"go-micro.dev/v5/registry/etcd"
	"go-micro.dev/v5/registry/nats"

	"github.com/micro/platform/tests/backends"
)

// plugins are go-micro's own.
var plugins = map[string]func(u *url.URL) registry.Registry{
	"etcd":   func(u *url.URL) registry.Registry { return etcd.NewEtcdRegistry(registry.Addrs(u.Host)) },
	"consul": func(u *url.URL) registry.Registry { return consul.NewConsulRegistry(registry.Addrs(u.Host)) },
	"nats": func(u *url.URL) registry.Registry {
		return nats.NewNatsRegistry(registry.Addrs(u.Host), registry.Timeout(time.Second))
	},
}

// TestPlugins: go-micro's registries find what ours have registered, and the other way.
func TestPlugins(t *testing.T) {
	for backend, plugin := range plugins {
		t.Run(backend, func(t *testing.T) {
			u := backends.URL(t, backend)
			theirs := plugin(u)
			ours := opened(t, on(t, backend))
			defer func() {
				if err := ours.(io.Closer).Close(); err != nil {
					t.Error(err)
				}
			}()
			t.Run("they find ours", func(t *testing.T) { exchange(t, ours, theirs) })
			t.Run("we find theirs", func(t *testing.T) { exchange(t, theirs, ours) })
		})
	}
}

func exchange(t *testing.T, from, to registry.Registry) {
	name := "test-" + uuid.NewString()
	watched, err := to.Watch(registry.WatchService(name))
	if err != nil {
		t.Fatal(err)
	}
	defer watched.Stop()
	told, over := make(chan string, 100), context.AfterFunc(t.Context(), watched.Stop)
	defer over()
	go func() {
		for {
			r, err := watched.Next()
			if err != nil {
				return
			}
			told <- r.Action
		}
	}()
	v4, v6 := full(name, "1", "10.1.2.3:8106"), full(name, "2", "[fd00::1]:8106")
	for _, s := range []*registry.Service{v4, v6} {
		if err := from.Register(s, registry.RegisterTTL(20*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	find(t, to, name, "10.1.2.3:8106", "[fd00::1]:8106")
	got, err := to.GetService(name)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v, want two versions", got, err)
	}
	slices.SortFunc(got, func(a, b *registry.Service) int { return strings.Compare(a.Version, b.Version) })
	if d := cmp.Diff(got, []*registry.Service{v4, v6}); d != "" {
		t.Error(d)
	}
	listed, err := to.ListServices()
	if err != nil || !slices.ContainsFunc(listed, func(s *registry.Service) bool { return s.Name == name }) {
		t.Errorf("list: got %v, %v", listed, err)
	}
	for _, s := range []*registry.Service{v4, v6} {
		if err := from.Deregister(s); err != nil {
			t.Fatal(err)
		}
	}
	find(t, to, name)
	for late := time.After(20 * time.Second); ; {
		select {
		case action := <-told:
			if action == "delete" {
				return
			}
		case <-late:
			t.Fatal("the watcher was not told of the end")
		}
	}
}

// full is a service as go-micro's server registers it.
func full(name, version, address string) *registry.Service {
	return &registry.Service{
		Name: name, Version: version,
		Endpoints: []*registry.Endpoint{{
			Name: "KV.Get", Metadata: map[string]string{"stream": "true"},
			Request:  &registry.Value{Name: "GetRequest", Type: "GetRequest", Values: []*registry.Value{{Name: "key", Type: "string"}}},
			Response: &registry.Value{Name: "GetResponse", Type: "GetResponse"},
		}},
		Nodes: []*registry.Node{{Id: name + "-" + version, Address: address, Metadata: map[string]string{
			"protocol": "mucp", "transport": "http", "server": "mucp", "broker": "memory", "registry": "etcd",
		}}},
	}
}
