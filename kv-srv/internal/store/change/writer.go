package change

import (
	"context"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Writer is the writing methods of a store, which is what embeds it.
type Writer struct {
	// Do does a change, once if it has an ID.
	Do func(ctx context.Context, c Change) (request.Answer, error)
}

// Put implements store.Store.
func (w Writer) Put(ctx context.Context, namespace string, write store.Write) (uint64, error) {
	a, err := w.Do(ctx, Put(namespace, write))
	return a.Version, err
}

// Delete implements store.Store.
func (w Writer) Delete(ctx context.Context, namespace string, r store.Removal) error {
	_, err := w.Do(ctx, Delete(namespace, r))
	return err
}

// Increment implements store.Store.
func (w Writer) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	done, err := w.Do(ctx, Increment(namespace, a))
	return done.Sum, done.Version, err
}

// Touch implements store.Store.
func (w Writer) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	a, err := w.Do(ctx, Touch(namespace, key, ttl))
	return a.Version, err
}
