package client

import (
	"log/slog"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs"
)

// ByAddress is New for calls that say which address is called, and finds nobody by name.
func ByAddress(secure *certs.Source, log *slog.Logger) client.Client {
	return New(nowhere{}, secure, log)
}

// nowhere is a registry that nobody is in.
type nowhere struct{}

func (nowhere) Init(...registry.Option) error { return nil }

func (nowhere) Options() registry.Options { return registry.Options{} }

func (nowhere) Register(*registry.Service, ...registry.RegisterOption) error {
	return registry.ErrNotFound
}

func (nowhere) Deregister(*registry.Service, ...registry.DeregisterOption) error {
	return registry.ErrNotFound
}

func (nowhere) GetService(string, ...registry.GetOption) ([]*registry.Service, error) {
	return nil, registry.ErrNotFound
}

func (nowhere) ListServices(...registry.ListOption) ([]*registry.Service, error) { return nil, nil }

func (nowhere) Watch(...registry.WatchOption) (registry.Watcher, error) {
	return nil, registry.ErrWatcherStopped
}

func (nowhere) String() string { return "nowhere" }
