// Package registries opens the registry that a URL names.
package registries

import (
	"log/slog"
	"net"
	"net/netip"
	"net/url"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/setting"
)

// Settings are those that say where services find each other.
func Settings() []setting.Setting {
	return []setting.Setting{
		{Name: "PLATFORM_REGISTRY", Default: "mdns:", Help: "where services find each other: mdns: or memory: (this process alone)"},
		{Name: "PLATFORM_MDNS", Default: "loopback", Help: "lan uses services of other machines that mdns: finds; anyone on the network can answer mDNS"},
	}
}

// Config is what Settings say.
type Config struct {
	URL *url.URL
	LAN bool // mdns: uses nodes of other machines
}

// Read notes in v what is wrong.
func Read(v *setting.Values) Config {
	c := Config{URL: v.URL("PLATFORM_REGISTRY")}
	switch c.URL.Scheme {
	case "", "memory", "mdns": // an empty one is told already
	default:
		v.Fail("PLATFORM_REGISTRY", "no registry for scheme %q (have mdns, memory)", c.URL.Scheme)
	}
	switch s := v.String("PLATFORM_MDNS"); s {
	case "loopback":
	case "lan":
		c.LAN = true
	default:
		v.Fail("PLATFORM_MDNS", "%q is neither loopback nor lan", s)
	}
	return c
}

// Open returns the registry of a config that Read has found right.
func Open(c Config, log *slog.Logger) registry.Registry {
	l := registry.Logger(microlog.New(log))
	switch {
	case c.URL.Scheme == "memory":
		return registry.NewMemoryRegistry(l)
	case c.LAN:
		return registry.NewMDNSRegistry(l)
	default:
		return &loopback{registry.NewMDNSRegistry(l)}
	}
}

// loopback leaves out the nodes of other machines: anyone on a network can answer
// multicast DNS.
type loopback struct{ registry.Registry }

func (l *loopback) GetService(name string, opts ...registry.GetOption) ([]*registry.Service, error) {
	all, err := l.Registry.GetService(name, opts...)
	if err != nil {
		return nil, err
	}
	var near []*registry.Service
	for _, s := range all {
		if n := local(s); n != nil {
			near = append(near, n)
		}
	}
	if len(near) == 0 {
		return nil, registry.ErrNotFound
	}
	return near, nil
}

func (l *loopback) Watch(opts ...registry.WatchOption) (registry.Watcher, error) {
	w, err := l.Registry.Watch(opts...)
	if err != nil {
		return nil, err
	}
	return &watcher{w}, nil
}

type watcher struct{ registry.Watcher }

func (w *watcher) Next() (*registry.Result, error) {
	for {
		r, err := w.Watcher.Next()
		if err != nil {
			return nil, err
		}
		if s := local(r.Service); s != nil {
			r.Service = s
			return r, nil
		}
	}
}

// local returns s with its loopback nodes, or nil where it has none.
func local(s *registry.Service) *registry.Service {
	if s == nil {
		return nil
	}
	near := *s
	near.Nodes = nil
	for _, n := range s.Nodes {
		host, _, err := net.SplitHostPort(n.Address)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
			near.Nodes = append(near.Nodes, n)
		}
	}
	if len(near.Nodes) == 0 {
		return nil
	}
	return &near
}
