package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Get implements store.Store. It allocates nothing.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	e := s.table.find(name{namespace, key})
	if e == nil {
		return store.Item{}, store.ErrNotFound
	}
	rec := e.rec.Load()
	if rec.expires != 0 && rec.expired(s.now()) {
		return store.Item{}, store.ErrNotFound
	}
	if s.opts.Evict {
		e.see(s.versions.last.Load())
	}
	return rec.item(e.key), nil
}

// List implements store.Store. A page is a snapshot: writers wait for it.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	page := store.Page{Version: s.versions.last.Load()}
	sp := s.spaces[namespace]
	if sp == nil {
		return page, nil
	}
	now, size := s.now(), 0
	sp.ascend(q.Prefix, q.After, func(e *entry) bool {
		rec := e.rec.Load()
		if rec.expired(now) {
			return true
		}
		item := rec.item(e.key)
		if q.KeysOnly {
			item.Value = nil
		}
		size += item.Size()
		if n := len(page.Items); n == q.Limit || n > 0 && size > q.MaxBytes {
			page.More = true
			return false
		}
		page.Items = append(page.Items, item)
		return true
	})
	return page, nil
}
