// Package kvstore is go-micro's store.Store on kv-srv.
//
// It is not a part of kvclient because go-micro's package store makes the folder
// ~/micro/store in every program that imports it.
package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go-micro.dev/v5/store"

	"github.com/micro/platform/kv-srv/kvclient"
)

// New returns a store whose records are items of kv, under keys of the form
// database/table/key. Both are "micro" unless options say otherwise, as in go-micro's own
// stores. Records may expire by the millisecond. A metadata value is kept as JSON, and so a
// number comes back as float64.
//
// Calls end with the Context of the options if it has a deadline, else after five seconds
// each.
func New(kv *kvclient.Client, opts ...store.Option) store.Store {
	s := &kvStore{kv: kv, opts: store.Options{Database: "micro", Table: "micro", Context: context.Background()}} //nolint:forbidigo // until an option says otherwise
	_ = s.Init(opts...)                                                                                          // never fails
	return s
}

type kvStore struct {
	kv   *kvclient.Client
	opts store.Options
}

func (s *kvStore) Init(opts ...store.Option) error {
	for _, o := range opts {
		o(&s.opts)
	}
	return nil
}

func (s *kvStore) Options() store.Options { return s.opts }
func (s *kvStore) String() string         { return "kv" }

// Close does nothing: the client belongs to who made it.
func (s *kvStore) Close() error { return nil }

// Read returns the record under a key, or store.ErrNotFound; with a prefix or suffix
// those whose keys have it, in the order of their keys, be it none.
func (s *kvStore) Read(key string, opts ...store.ReadOption) ([]*store.Record, error) {
	var o store.ReadOptions
	for _, opt := range opts {
		opt(&o)
	}
	t, err := s.table(o.Database, o.Table)
	if err != nil {
		return nil, err
	}
	if !o.Prefix && !o.Suffix {
		item, err := s.kv.Get(s.opts.Context, t+key)
		if err != nil {
			return nil, missing(err)
		}
		return []*store.Record{record(t, item)}, nil
	}
	m := match{limit: o.Limit, offset: o.Offset}
	if o.Prefix {
		m.prefix = key
	}
	if o.Suffix {
		m.suffix = key
	}
	var all []*store.Record
	err = s.each(t, m, func(item kvclient.Item) error {
		all = append(all, record(t, item))
		return nil
	})
	return all, err
}

// Write stores a record. It replaces what was there.
func (s *kvStore) Write(r *store.Record, opts ...store.WriteOption) error {
	var o store.WriteOptions
	for _, opt := range opts {
		opt(&o)
	}
	t, err := s.table(o.Database, o.Table)
	if err != nil {
		return err
	}
	put, err := putOptions(r, o)
	if err != nil {
		return err
	}
	_, err = s.kv.Put(s.opts.Context, t+r.Key, r.Value, put...)
	return err
}

// putOptions are those of a write; its TTL takes precedence over its Expiry, and both
// over that of the record.
func putOptions(r *store.Record, o store.WriteOptions) ([]kvclient.PutOption, error) {
	var all []kvclient.PutOption
	ttl := r.Expiry
	if !o.Expiry.IsZero() {
		ttl = time.Until(o.Expiry)
	}
	if o.TTL != 0 {
		ttl = o.TTL
	}
	switch {
	case ttl < 0:
		return nil, fmt.Errorf("write %q: it has expired already", r.Key)
	case ttl > 0:
		all = append(all, kvclient.TTL(max(ttl, time.Millisecond)))
	}
	if len(r.Metadata) == 0 {
		return all, nil
	}
	md, err := encode(r.Metadata)
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", r.Key, err)
	}
	return append(all, kvclient.Metadata(md)), nil
}

// Delete removes the record under a key, if there is one.
func (s *kvStore) Delete(key string, opts ...store.DeleteOption) error {
	var o store.DeleteOptions
	for _, opt := range opts {
		opt(&o)
	}
	t, err := s.table(o.Database, o.Table)
	if err != nil {
		return err
	}
	if err := s.kv.Delete(s.opts.Context, t+key); !errors.Is(err, kvclient.ErrNotFound) {
		return err
	}
	return nil
}

// List returns keys in their order, be it none.
func (s *kvStore) List(opts ...store.ListOption) ([]string, error) {
	var o store.ListOptions
	for _, opt := range opts {
		opt(&o)
	}
	t, err := s.table(o.Database, o.Table)
	if err != nil {
		return nil, err
	}
	keys := []string{}
	err = s.each(t, match{prefix: o.Prefix, suffix: o.Suffix, limit: o.Limit, offset: o.Offset, keysOnly: true}, func(item kvclient.Item) error {
		keys = append(keys, strings.TrimPrefix(item.Key, t))
		return nil
	})
	return keys, err
}

// table is what the keys of a table begin with.
func (s *kvStore) table(database, table string) (string, error) {
	if database == "" {
		database = s.opts.Database
	}
	if table == "" {
		table = s.opts.Table
	}
	for _, name := range []string{database, table} {
		if strings.Contains(name, "/") {
			return "", fmt.Errorf("database or table %q: a slash is not allowed", name)
		}
	}
	return database + "/" + table + "/", nil
}

// missing is err as go-micro's callers know it.
func missing(err error) error {
	if errors.Is(err, kvclient.ErrNotFound) {
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	return err
}
