package apart

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Namespaces implements store.Store. It lists the namespaces that were named, also those
// that hold nothing, and of the others those that hold items. Where the store of the others
// cannot list them the page says so; if none was named, there is no page.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	page, err := s.others(ctx, q)
	if err != nil {
		return store.NamespacePage{}, err
	}
	for name := range s.own {
		if name >= q.From && (q.To == "" || name < q.To) {
			page.Namespaces = append(page.Namespaces, store.Namespace{Name: name})
		}
	}
	slices.SortFunc(page.Namespaces, func(a, b store.Namespace) int { return cmp.Compare(a.Name, b.Name) })
	if len(page.Namespaces) > q.Limit {
		page.Namespaces, page.More = page.Namespaces[:q.Limit], true
	}
	for i := range page.Namespaces {
		n := &page.Namespaces[i]
		if home, named := s.own[n.Name]; !named {
			n.Backend = s.rest.backend
		} else if *n, err = home.namespace(ctx, n.Name); err != nil {
			return store.NamespacePage{}, err
		}
	}
	return page, nil
}

// others returns a page of the namespaces that were not named.
func (s *Store) others(ctx context.Context, q store.NamespaceQuery) (page store.NamespacePage, err error) {
	limit := q.Limit
	for more := true; more; more = page.More && len(page.Namespaces) < limit {
		q.Limit = limit - len(page.Namespaces)
		some, err := s.rest.store.Namespaces(ctx, q)
		if _, cannot := errors.AsType[*store.UnsupportedError](err); cannot && len(s.own) > 0 {
			return store.NamespacePage{Unlisted: s.rest.backend}, nil
		}
		if err != nil {
			return page, err
		}
		if n := len(some.Namespaces); n > 0 {
			q.From = some.Namespaces[n-1].Name + "\x00"
		}
		for _, n := range some.Namespaces {
			if _, named := s.own[n.Name]; !named {
				page.Namespaces = append(page.Namespaces, n)
			}
		}
		page.More = some.More
	}
	return page, nil
}

// namespace asks for one namespace.
func (h home) namespace(ctx context.Context, name string) (store.Namespace, error) {
	page, err := h.store.Namespaces(ctx, store.NamespaceQuery{From: name, To: name + "\x00", Limit: 1})
	n := store.Namespace{Name: name}
	if _, cannot := errors.AsType[*store.UnsupportedError](err); cannot {
		n.Keys, n.Bytes, err = -1, -1, nil
	}
	if len(page.Namespaces) > 0 {
		n = page.Namespaces[0]
	}
	n.Backend = h.backend
	return n, err
}
