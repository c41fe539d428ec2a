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

// get asks memcached, and once again where a connection that waited idle has ended.
func (s *Store) get(ctx context.Context, key string) (*memcache.Item, error) {
	return ask(ctx, s, key, func() (*memcache.Item, error) {
		item, err := s.client.Get(key)
		if err == nil || errors.Is(err, memcache.ErrCacheMiss) || !broken(err) {
			return item, err
		}
		_ = s.client.Close() // the others have ended as well
		return s.client.Get(key)
	})
}
