package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

// portion is how many keys a list looks at before writers get their turn.
const portion = 4096

// ListSlots returns a page of the items in the slots that has is true for. Unlike List
// it is no snapshot where it looks at more than 4,096 keys, but what changed after
// Page.Version is told by a Feed from there. has is called under locks of the store.
func (s *Store) ListSlots(ctx context.Context, namespace string, q store.Query, has func(slot int) bool) (store.Page, error) {
	l := listing{query: q, after: q.After, has: has}
	l.page.Version = s.versions.watermark()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return store.Page{}, err
		}
		more = s.listSome(namespace, &l)
	}
	return l.page, nil
}

// listing is a page in the making.
type listing struct {
	query store.Query
	after string // the last key that was looked at
	has   func(slot int) bool
	page  store.Page
	size  int
}

// listSome looks at a portion of the keys and tells whether there are others to look at.
func (s *Store) listSome(namespace string, l *listing) (more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sp := s.spaces[namespace]
	if sp == nil {
		return false
	}
	now, looks := s.now(), 0
	sp.ascend(l.query.Prefix, l.after, func(e *entry) bool {
		if more = looks == portion; more {
			return false
		}
		looks++
		l.after = e.key
		rec := e.rec.Load()
		return !l.has(int(e.slot)) || rec.expired(now) || l.add(rec.item(e.key))
	})
	return more
}

// add puts an item on the page, or says that it has no place there.
func (l *listing) add(item store.Item) bool {
	if l.query.KeysOnly {
		item.Value = nil
	}
	l.size += item.Size()
	if n := len(l.page.Items); n == l.query.Limit || n > 0 && l.size > l.query.MaxBytes {
		l.page.More = true
		return false
	}
	l.page.Items = append(l.page.Items, item)
	return true
}
