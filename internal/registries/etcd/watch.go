package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go-micro.dev/v5/registry"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/internal/registries/record"
)

// Watch implements registry.Registry. What changes after it has returned is told.
func (r *Registry) Watch(opts ...registry.WatchOption) (registry.Watcher, error) {
	var o registry.WatchOptions
	for _, opt := range opts {
		opt(&o)
	}
	client, err := r.connection()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.where, err)
	}
	from := prefix
	if o.Service != "" {
		from = key(o.Service, "")
	}
	w := record.NewWatcher(r.ctx)
	begun := make(chan struct{})
	w.Go(func() error {
		first := begun
		ctx := clientv3.WithRequireLeader(w.Context)
		for rsp := range client.Watch(ctx, from, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify()) {
			if rsp.Created && first != nil {
				close(first)
				first = nil
			}
			if err := tell(w, rsp, o.Service); err != nil {
				return err
			}
		}
		return errors.New("etcd has ended the watch")
	})
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-begun:
		return w, nil
	case <-late.C:
		err = context.DeadlineExceeded
	case <-w.Context.Done():
		_, err = w.Next()
	}
	w.Stop()
	return nil, fmt.Errorf("watch %s: %w", r.where, err)
}

func tell(w *record.Watcher, rsp clientv3.WatchResponse, name string) error {
	if err := rsp.Err(); err != nil {
		return err
	}
	for _, e := range rsp.Events {
		action, kv := record.Update, e.GetKv()
		switch {
		case e.GetType() == clientv3.EventTypeDelete:
			action, kv = record.Delete, e.GetPrevKv()
		case e.IsCreate():
			action = record.Create
		}
		if kv == nil { // compacted meanwhile
			continue
		}
		s := decode(kv.GetValue())
		if s == nil || name != "" && s.Name != name {
			continue
		}
		if err := w.Tell(&registry.Result{Action: action, Service: s}); err != nil {
			return err
		}
	}
	return nil
}
