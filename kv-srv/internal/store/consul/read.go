package consul

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/change"
)

// chunk is how many records are read at once, and hands how many removals are under way.
const (
	chunk = 32
	hands = 16
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	pairs, err := s.read(ctx, s.keys.item(namespace, key))
	if err != nil {
		return store.Item{}, err
	}
	item, err := whole(pairs[0], key)
	if item = living(item, time.Now()); err == nil && item.Version == 0 {
		err = store.ErrNotFound
	}
	return item, err
}

// GetAll implements store.BatchGetter. The items of one transaction are of one moment.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.keys.item(namespace, key)
	}
	found := make(map[string]*api.KVPair, len(keys))
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(names))), most) {
		pairs, err := s.read(ctx, part...)
		if err != nil {
			return err
		}
		for i, pair := range pairs {
			found[part[i]] = pair
		}
	}
	now := time.Now()
	for i, key := range keys {
		item, err := whole(found[names[i]], key)
		if err != nil {
			return err
		}
		if item = living(item, now); item.Version != 0 {
			items[i] = item
		}
	}
	return ctx.Err()
}

// names returns the keys in Consul of the items under a prefix, in their order. Consul has
// no way to return some of them.
func (s *Store) names(ctx context.Context, prefix, separator string) ([]string, error) {
	return ask(ctx, s, func(q *api.QueryOptions) ([]string, error) {
		names, _, err := s.client.KV().Keys(prefix, separator, q)
		return names, err
	})
}

// List implements store.Store. A page is no snapshot: it holds each item as it was at some
// moment after the page was asked for.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (page store.Page, err error) {
	last, err := s.last(ctx, namespace)
	if err != nil {
		return store.Page{}, err
	}
	page.Version = last.index
	names, err := s.names(ctx, s.keys.items(namespace, q.Prefix), "")
	if err != nil {
		return store.Page{}, err
	}
	if q.After != "" {
		after := s.keys.item(namespace, q.After)
		i, found := slices.BinarySearch(names, after)
		if found {
			i++
		}
		names = names[i:]
	}
	for room := q.MaxBytes; len(names) > 0; {
		part := names[:min(chunk, q.Limit-len(page.Items)+1, len(names))]
		names = names[len(part):]
		items, err := s.some(ctx, namespace, part)
		if err != nil {
			return store.Page{}, err
		}
		for _, item := range items {
			if q.KeysOnly {
				item.Value = nil
			}
			room -= item.Size()
			if n := len(page.Items); n == q.Limit || n > 0 && room < 0 {
				page.More = true
				return page, nil
			}
			page.Items = append(page.Items, item)
		}
	}
	return page, nil
}

// some returns those items of some keys in Consul that are still there.
func (s *Store) some(ctx context.Context, namespace string, names []string) ([]store.Item, error) {
	pairs, err := s.read(ctx, names...)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var items []store.Item
	for i, pair := range pairs {
		key, err := s.keys.key(namespace, names[i])
		if err != nil {
			return nil, err
		}
		item, err := whole(pair, key)
		if err != nil {
			return nil, err
		}
		if item = living(item, now); item.Version != 0 {
			items = append(items, item)
		}
	}
	return items, nil
}

// DeletePrefix implements store.Store. Each removal is a transaction, since each has a
// version of its own.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	if err := s.Ready(ctx); err != nil { // Consul names no keys to who may not read them
		return 0, err
	}
	names, err := s.names(ctx, s.keys.items(namespace, prefix), "")
	if err != nil {
		return 0, err
	}
	var deleted atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hands)
	for _, name := range names {
		group.Go(func() error {
			key, err := s.keys.key(namespace, name)
			if err != nil {
				return err
			}
			_, err = s.do(ctx, change.Delete(namespace, store.Removal{Key: key}))
			if err == nil {
				deleted.Add(1)
			}
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	err = group.Wait()
	return int(deleted.Load()), err
}
