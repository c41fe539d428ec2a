package consul

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/record"
)

// wait is how long Consul holds a request until something changes.
const wait = time.Minute

// Watch implements registry.Registry. What changes after it has returned is told.
func (r *Registry) Watch(opts ...registry.WatchOption) (registry.Watcher, error) {
	var o registry.WatchOptions
	for _, opt := range opts {
		opt(&o)
	}
	w := record.NewWatcher(r.ctx)
	var err error
	if o.Service == "" {
		err = r.watchAll(w)
	} else {
		err = r.watch(w, o.Service, false)
	}
	if err != nil {
		w.Stop()
		return nil, fmt.Errorf("watch %s: %w", r.where, err)
	}
	return w, nil
}

// watch tells what changes from now on, or with all what there is, too.
func (r *Registry) watch(w *record.Watcher, name string, all bool) error {
	ctx, cancel := context.WithTimeout(w.Context, patience)
	defer cancel()
	last, index, err := r.healthy(ctx, name, 0)
	if err != nil {
		return err
	}
	w.Go(func() error {
		if all {
			if err := w.Tell(record.Changes(nil, last)...); err != nil {
				return err
			}
		}
		for {
			now, next, err := r.healthy(w.Context, name, index)
			if err != nil {
				return fmt.Errorf("%s: %w", r.where, err)
			}
			if err := w.Tell(record.Changes(last, now)...); err != nil {
				return err
			}
			last, index = now, following(index, next)
		}
	})
	return nil
}

// watchAll watches each service that there is or will be.
func (r *Registry) watchAll(w *record.Watcher) error {
	watched := map[string]bool{}
	var index uint64
	look := func(ctx context.Context, all bool) error {
		query := (&api.QueryOptions{AllowStale: true, WaitIndex: index, WaitTime: wait}).WithContext(ctx)
		names, m, err := r.client.Catalog().Services(query)
		if err != nil {
			return fmt.Errorf("%s: %w", r.where, err)
		}
		for name := range names {
			if watched[name] {
				continue
			}
			watched[name] = true
			if err := r.watch(w, name, all); err != nil {
				return err
			}
		}
		index = following(index, m.LastIndex)
		return nil
	}
	ctx, cancel := context.WithTimeout(w.Context, patience)
	defer cancel()
	if err := look(ctx, false); err != nil {
		return err
	}
	w.Go(func() error {
		for {
			if err := look(w.Context, true); err != nil {
				return err
			}
		}
	})
	return nil
}

// following is what to wait for next: the index begins anew where it goes back, and 0 would
// not wait.
func following(last, next uint64) uint64 {
	if next < last {
		return 1
	}
	return max(next, 1)
}
