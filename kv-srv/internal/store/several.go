package store

import (
	"context"
	"errors"
)

// A BatchGetter is a Store that needs fewer requests for several items than one for each.
type BatchGetter interface {
	Store

	// GetAll returns what Get would return for each key, in their order, an item of
	// version 0 for ErrNotFound. A key may be asked for twice. The items need not be of
	// one moment.
	GetAll(ctx context.Context, namespace string, keys []string) ([]Item, error)
}

// GetAll is that of a BatchGetter, and of every other Store.
func GetAll(ctx context.Context, s Store, namespace string, keys []string) ([]Item, error) {
	if b, ok := s.(BatchGetter); ok {
		return b.GetAll(ctx, namespace, keys)
	}
	items := make([]Item, len(keys))
	for i, key := range keys {
		item, err := s.Get(ctx, namespace, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil {
			items[i] = item
		}
	}
	return items, nil
}
