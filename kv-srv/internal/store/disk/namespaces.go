package disk

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Namespaces implements store.Store. A page is a snapshot, and its figures are exact: they
// are written with the changes that they count.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	if err := ctx.Err(); err != nil {
		return store.NamespacePage{}, err
	}
	opts := &pebble.IterOptions{LowerBound: tallyKey(q.From), UpperBound: after(tallyKey(""))}
	if q.To != "" {
		opts.UpperBound = tallyKey(q.To)
	}
	it, version, err := s.snapshot(ctx, opts)
	if err != nil {
		return store.NamespacePage{}, err
	}
	page, err := namespaces(it, q.Limit)
	if err := errors.Join(err, it.Close()); err != nil {
		return store.NamespacePage{}, damaged(err)
	}
	return page, s.await(ctx, version)
}

// namespaces reads a page of tallies.
func namespaces(it *pebble.Iterator, limit int) (page store.NamespacePage, err error) {
	for ok := it.First(); ok; ok = it.Next() {
		if page.More = len(page.Namespaces) == limit; page.More {
			break
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return page, err
		}
		t, err := tallyOf(b)
		if err != nil {
			return page, err
		}
		page.Namespaces = append(page.Namespaces, store.Namespace{Name: string(it.Key()[1:]), Keys: t.keys, Bytes: t.bytes})
	}
	return page, it.Error()
}
