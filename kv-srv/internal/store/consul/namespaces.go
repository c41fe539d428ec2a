package consul

import (
	"context"
	"slices"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Namespaces implements store.Store. Their figures are exact: the head of a log has them.
// Consul has no way to return some of the heads' names.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (page store.NamespacePage, err error) {
	names, err := s.namespaces(ctx, q)
	if err != nil {
		return store.NamespacePage{}, err
	}
	for len(names) > 0 {
		part := names[:min(most, q.Limit-len(page.Namespaces)+1, len(names))]
		names = names[len(part):]
		some, err := s.inhabited(ctx, part)
		if err != nil {
			return store.NamespacePage{}, err
		}
		for _, n := range some {
			if page.More = len(page.Namespaces) == q.Limit; page.More {
				return page, nil
			}
			page.Namespaces = append(page.Namespaces, n)
		}
	}
	return page, nil
}

// namespaces returns those of a query that items were ever written to, in their order,
// which is not that of their keys.
func (s *Store) namespaces(ctx context.Context, q store.NamespaceQuery) ([]string, error) {
	if err := s.Ready(ctx); err != nil { // Consul names no keys to who may not read them
		return nil, err
	}
	names, err := s.names(ctx, s.keys.heads(), "")
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		names[i] = s.keys.namespace(name)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name < q.From || q.To != "" && name >= q.To })
	slices.Sort(names)
	return names, nil
}

// inhabited returns those of some namespaces that hold items.
func (s *Store) inhabited(ctx context.Context, names []string) (found []store.Namespace, err error) {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.keys.head(name)
	}
	pairs, err := s.read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for i, pair := range pairs {
		at, err := headOf(pair)
		if err != nil {
			return nil, err
		}
		if at.keys > 0 {
			found = append(found, store.Namespace{Name: names[i], Keys: at.keys, Bytes: at.bytes})
		}
	}
	return found, nil
}
