package client

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
)

// spread calls a node at random, and with each try the next one: a try that was in vain is
// not made at the same node again.
func spread(services []*registry.Service) selector.Next {
	var nodes []*registry.Node
	switch len(services) {
	case 0:
	case 1:
		nodes = services[0].Nodes
	default:
		for _, s := range services {
			nodes = append(nodes, s.Nodes...)
		}
	}
	if len(nodes) == 0 {
		return func() (*registry.Node, error) { return nil, selector.ErrNoneAvailable }
	}
	var at atomic.Uint64
	at.Store(rand.Uint64()) //nolint:gosec // to spread
	return func() (*registry.Node, error) { return nodes[at.Add(1)%uint64(len(nodes))], nil }
}

// direct selects from a registry that answers from memory: go-micro's own selector would keep
// each answer again.
type direct struct {
	registry registry.Registry
	strategy selector.Strategy
}

// Init implements selector.Selector.
func (d *direct) Init(...selector.Option) error { return nil }

// Options implements selector.Selector.
func (d *direct) Options() selector.Options {
	return selector.Options{Registry: d.registry, Strategy: d.strategy}
}

// Select implements selector.Selector.
func (d *direct) Select(service string, opts ...selector.SelectOption) (selector.Next, error) {
	o := selector.SelectOptions{Strategy: d.strategy}
	for _, opt := range opts {
		opt(&o)
	}
	found, err := d.registry.GetService(service)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, selector.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	for _, filter := range o.Filters {
		found = filter(found)
	}
	if len(found) == 0 {
		return nil, selector.ErrNoneAvailable
	}
	return o.Strategy(found), nil
}

// Mark implements selector.Selector.
func (d *direct) Mark(string, *registry.Node, error) {}

// Reset implements selector.Selector.
func (d *direct) Reset(string) {}

// Close implements selector.Selector. The registry is closed by who has opened it.
func (d *direct) Close() error { return nil }

func (d *direct) String() string { return "direct" }
