package disk

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
)

const (
	batch     = 256     // items that are deleted, or end, between two looks
	pageBytes = 4 << 20 // more than batch keys with metadata are seldom
)

// Get implements store.Store. It waits for a write of the key that is under way.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	rec, err := load(s.db, namespace, key)
	if err != nil {
		return store.Item{}, err
	}
	var seen uint64
	if rec != nil {
		seen = rec.version
	} else { // it may be removed, which is not synced
		seen = s.stripe(namespace, key).last.Load()
	}
	if err := s.await(ctx, seen); err != nil {
		return store.Item{}, err
	}
	if rec == nil || rec.expired(s.now()) {
		return store.Item{}, store.ErrNotFound
	}
	return rec.item(key), nil
}

// List implements store.Store. A page is a snapshot, which no writer waits for.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	it, version, err := s.snapshot(ctx, bounds(namespace, q))
	if err != nil {
		return store.Page{}, err
	}
	page := store.Page{Version: version}
	err = s.collect(it, len(under(tagItem, namespace)), q, &page)
	if err := errors.Join(err, it.Close()); err != nil {
		return store.Page{}, damaged(err)
	}
	return page, s.await(ctx, version)
}

// bounds are those of the items of a query.
func bounds(namespace string, q store.Query) *pebble.IterOptions {
	prefix := itemKey(namespace, q.Prefix)
	opts := &pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)}
	if q.After >= q.Prefix {
		if from := append(itemKey(namespace, q.After), 0); bytes.Compare(from, prefix) > 0 {
			opts.LowerBound = from
		}
	}
	return opts
}

// snapshot returns what is within bounds as of a version.
func (s *Store) snapshot(ctx context.Context, opts *pebble.IterOptions) (*pebble.Iterator, uint64, error) {
	if opts.UpperBound != nil && bytes.Compare(opts.LowerBound, opts.UpperBound) > 0 {
		opts.LowerBound = opts.UpperBound
	}
	if err := s.take(ctx); err != nil {
		return nil, 0, err
	}
	defer func() { <-s.order }()
	it, err := s.db.NewIter(opts)
	return it, s.applied.Load(), err
}

// collect fills a page; skip is how many bytes of a stored key are no key.
func (s *Store) collect(it *pebble.Iterator, skip int, q store.Query, page *store.Page) error {
	now, size := s.now(), 0
	for ok := it.First(); ok; ok = it.Next() {
		b, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		r := reader{b: b}
		rec := r.record(q.KeysOnly)
		if r.err != nil {
			return r.err
		}
		if rec.expired(now) {
			continue
		}
		item := rec.item(string(it.Key()[skip:]))
		size += item.Size()
		if n := len(page.Items); n == q.Limit || n > 0 && size > q.MaxBytes {
			page.More = true
			return nil
		}
		page.Items = append(page.Items, item)
	}
	return it.Error()
}
