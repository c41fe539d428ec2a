package discoveryclient

import (
	"context"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/record"
)

// Watch implements registry.Registry, of one service or of all. What changes between two
// calls of Next may be told as one change.
func (r *Registry) Watch(opts ...registry.WatchOption) (registry.Watcher, error) {
	var o registry.WatchOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.Service == "" || isName(o.Service) {
		r.cache.want(o.Service)
	}
	w := record.NewWatcher(r.ctx)
	before, told := r.cache.snapshot(o.Service)
	w.Go(func() error { return r.cache.tell(w, o.Service, before, told) })
	return w, nil
}

// snapshot is what is known of a service, or of all, and what is closed when that changes.
func (c *cache) snapshot(name string) (all []*registry.Service, told <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name != "" {
		return services(name, c.instances[name]), c.told
	}
	for name, some := range c.instances {
		all = append(all, services(name, some)...)
	}
	return all, c.told
}

// tell tells a watcher what changes, until it is stopped.
func (c *cache) tell(w *record.Watcher, name string, before []*registry.Service, told <-chan struct{}) error {
	for {
		select {
		case <-told:
		case <-w.Context.Done():
			return w.Context.Err()
		}
		var now []*registry.Service
		now, told = c.snapshot(name)
		if err := w.Tell(record.Changes(before, now)...); err != nil {
			return err
		}
		before = now
	}
}

// list returns all services, once all are known.
func (r *Registry) list(ctx context.Context) ([]*registry.Service, error) {
	c := r.cache
	c.want("")
	for {
		all, told := c.snapshot("")
		c.mu.Lock()
		synced, failure := c.syncedAll, c.failure
		c.mu.Unlock()
		if synced {
			return all, nil
		}
		select {
		case <-told:
		case <-ctx.Done():
			if failure != nil {
				return nil, failure
			}
			return nil, ctx.Err()
		}
	}
}
