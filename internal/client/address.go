package client

import (
	"log/slog"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs"
)

// ByAddress is New for calls that say which address is called; others go to one of some
// addresses, whatever service they name.
func ByAddress(secure *certs.Source, log *slog.Logger, addresses ...string) client.Client {
	var some fixed
	for _, a := range addresses {
		some = append(some, &registry.Node{Id: a, Address: a, Metadata: map[string]string{"protocol": "mucp"}})
	}
	return New(some, secure, log)
}

// fixed is a registry of nodes that have every service.
type fixed []*registry.Node

// Cached says that answers come from memory.
func (fixed) Cached() {}

func (fixed) Init(...registry.Option) error { return nil }

func (fixed) Options() registry.Options { return registry.Options{} }

func (fixed) Register(*registry.Service, ...registry.RegisterOption) error {
	return registry.ErrNotFound
}

func (fixed) Deregister(*registry.Service, ...registry.DeregisterOption) error {
	return registry.ErrNotFound
}

func (f fixed) GetService(name string, _ ...registry.GetOption) ([]*registry.Service, error) {
	if len(f) == 0 {
		return nil, registry.ErrNotFound
	}
	return []*registry.Service{{Name: name, Nodes: f}}, nil
}

func (fixed) ListServices(...registry.ListOption) ([]*registry.Service, error) { return nil, nil }

func (fixed) Watch(...registry.WatchOption) (registry.Watcher, error) {
	return nil, registry.ErrWatcherStopped
}

func (fixed) String() string { return "fixed" }
