// Package apart keeps some namespaces in stores of their own.
package apart

import (
	"context"
	"errors"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Store sends each call to the store of its namespace.
type Store struct {
	all  []store.Store
	own  map[string]home // by namespace
	rest home            // of all other namespaces
}

// home is where a namespace is.
type home struct {
	store   store.Store
	backend string
}

var (
	_ store.BatchGetter = (*Store)(nil)
	_ store.BatchPutter = (*Store)(nil)
)

// Add takes over a store for some namespaces. Backend is what settings call its kind. All
// stores are added before anything else is called but Close.
func (s *Store) Add(backend string, one store.Store, namespaces ...string) {
	s.all = append(s.all, one)
	if s.own == nil {
		s.own = map[string]home{}
	}
	for _, namespace := range namespaces {
		s.own[namespace] = home{one, backend}
	}
}

// AddRest takes over the store of all namespaces that no other has. Some of them may be
// named: Namespaces lists these in any case.
func (s *Store) AddRest(backend string, one store.Store, named ...string) {
	s.Add(backend, one, named...)
	s.rest = home{one, backend}
}

func (s *Store) of(namespace string) store.Store {
	if own, ok := s.own[namespace]; ok {
		return own.store
	}
	return s.rest.store
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	return s.of(namespace).Get(ctx, namespace, key)
}

// GetAll implements store.BatchGetter.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	return store.GetAll(ctx, s.of(namespace), namespace, keys, items)
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	return s.of(namespace).Put(ctx, namespace, w)
}

// PutAll implements store.BatchPutter.
func (s *Store) PutAll(ctx context.Context, namespace string, writes []store.Write) ([]store.Written, error) {
	return store.PutAll(ctx, s.of(namespace), namespace, writes)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	return s.of(namespace).Delete(ctx, namespace, r)
}

// Increment implements store.Store.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	return s.of(namespace).Increment(ctx, namespace, a)
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	return s.of(namespace).Touch(ctx, namespace, key, ttl)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	return s.of(namespace).List(ctx, namespace, q)
}

// DeletePrefix implements store.Store.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	return s.of(namespace).DeletePrefix(ctx, namespace, prefix)
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	return s.of(namespace).Watch(ctx, namespace, prefix, from, emit)
}

// Ready returns why any of the stores cannot serve now.
func (s *Store) Ready(ctx context.Context) error {
	return s.each(func(one store.Store) error { return one.Ready(ctx) })
}

// Close closes the stores.
func (s *Store) Close() error {
	return s.each(store.Store.Close)
}

// each calls f for each store.
func (s *Store) each(f func(store.Store) error) error {
	var errs []error
	for _, one := range s.all {
		errs = append(errs, f(one))
	}
	return errors.Join(errs...)
}
