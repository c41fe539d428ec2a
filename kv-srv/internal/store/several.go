package store

import (
	"context"
	"errors"
)

// A BatchGetter is a Store that needs fewer requests for several items than one for each.
type BatchGetter interface {
	Store

	// GetAll sets each of items, which are zero and as many as the keys, to what Get would
	// return for its key; for ErrNotFound it leaves the item. A key may be asked for twice.
	// The items need not be of one moment.
	GetAll(ctx context.Context, namespace string, keys []string, items []Item) error
}

// A BatchPutter is a Store that needs less for several writes than a call for each.
type BatchPutter interface {
	Store

	// PutAll does what Put would do for each write, in their order, one moment or not. A
	// write that is refused stops no other. With an error, which is that of ctx, it
	// returns the answers to the writes before.
	PutAll(ctx context.Context, namespace string, writes []Write) ([]Written, error)
}

// Written is the answer to a write.
type Written struct {
	Version uint64 // 0 with Err
	Err     error
}

// PutAll is that of a BatchPutter, and of every other Store.
func PutAll(ctx context.Context, s Store, namespace string, writes []Write) ([]Written, error) {
	if b, ok := s.(BatchPutter); ok {
		return b.PutAll(ctx, namespace, writes)
	}
	all := make([]Written, 0, len(writes))
	for _, w := range writes {
		version, err := s.Put(ctx, namespace, w)
		if err != nil && ctx.Err() != nil {
			return all, ctx.Err()
		}
		all = append(all, Written{version, err})
	}
	return all, nil
}

// GetAll is that of a BatchGetter, and of every other Store.
func GetAll(ctx context.Context, s Store, namespace string, keys []string, items []Item) error {
	if b, ok := s.(BatchGetter); ok {
		return b.GetAll(ctx, namespace, keys, items)
	}
	for i, key := range keys {
		item, err := s.Get(ctx, namespace, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil {
			items[i] = item
		}
	}
	return nil
}
