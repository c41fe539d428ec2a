package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	e, err := s.read(ctx, placeOf(namespace, key))
	if err != nil {
		return store.Item{}, err
	}
	item := e.living(key, time.Now())
	if item.Version == 0 {
		return store.Item{}, store.ErrNotFound
	}
	return item, nil
}

// GetAll implements store.BatchGetter. All servers are asked at once.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	places, names := make([]place, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		places[i] = placeOf(namespace, key)
		names[i] = places[i].at
	}
	found, err := ask(ctx, s, "", func() (map[string]*memcache.Item, error) {
		return again(s, func() (map[string]*memcache.Item, error) { return s.client.GetMulti(names) })
	})
	if err != nil {
		return err
	}
	now := time.Now()
	for i, at := range places {
		record := found[at.at]
		if record == nil {
			continue
		}
		e, err := decode(at, record.Value)
		if err != nil {
			return err
		}
		if item := e.living(keys[i], now); item.Version != 0 {
			items[i] = item
		}
	}
	return nil
}

// read returns what is in a place.
func (s *Store) read(ctx context.Context, at place) (entry, error) {
	item, err := s.get(ctx, at.at)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	e, err := decode(at, item.Value)
	e.cas = item.CasID
	return e, err
}

func (s *Store) get(ctx context.Context, key string) (*memcache.Item, error) {
	return ask(ctx, s, key, func() (*memcache.Item, error) {
		return again(s, func() (*memcache.Item, error) { return s.client.Get(key) })
	})
}

// again reads, and once again where a connection that waited idle has ended.
func again[T any](s *Store, read func() (T, error)) (T, error) {
	answer, err := read()
	if err == nil || errors.Is(err, memcache.ErrCacheMiss) || !broken(err) {
		return answer, err
	}
	_ = s.client.Close() // the others have ended as well
	return read()
}
