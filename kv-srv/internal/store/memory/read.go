package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

var _ store.BatchGetter = (*Store)(nil)

// Get implements store.Store. It allocates nothing.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	e := s.table.find(name{namespace, key})
	if rec := s.read(e); rec != nil {
		return rec.item(e.key), nil
	}
	return store.Item{}, store.ErrNotFound
}

// read returns what an entry has for a reader, nil for nothing.
func (s *Store) read(e *entry) *record {
	if e == nil {
		return nil
	}
	rec := e.rec.Load()
	if rec.expires != 0 && rec.expired(s.now()) {
		return nil
	}
	if s.opts.Evict {
		e.see(s.versions.last.Load())
	}
	return rec
}

// together is how many entries are looked for at once.
const together = 16

// GetAll implements store.BatchGetter.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for len(keys) > 0 {
		var entries [together]*entry
		n := min(len(keys), together)
		s.table.findAll(namespace, keys[:n], entries[:n])
		for i, e := range entries[:n] {
			if rec := s.read(e); rec != nil {
				items[i] = rec.item(e.key)
			}
		}
		keys, items = keys[n:], items[n:]
	}
	return nil
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
