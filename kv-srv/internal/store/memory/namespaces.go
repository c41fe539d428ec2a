package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Namespaces implements store.Store. A page is a snapshot, and its figures are exact.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	if err := ctx.Err(); err != nil {
		return store.NamespacePage{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page store.NamespacePage
	s.inhabited.AscendGreaterOrEqual(&space{name: q.From}, func(sp *space) bool {
		if q.To != "" && sp.name >= q.To {
			return false
		}
		if page.More = len(page.Namespaces) == q.Limit; page.More {
			return false
		}
		page.Namespaces = append(page.Namespaces, store.Namespace{Name: sp.name, Keys: int64(sp.keys.Len()), Bytes: sp.bytes})
		return true
	})
	return page, nil
}
