package registries

import (
	"net"
	"net/netip"

	"go-micro.dev/v5/registry"
)

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
