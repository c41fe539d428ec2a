package kvstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go-micro.dev/v5/store"

	"github.com/micro/platform/kv-srv/kvclient"
)

// match says which items of a table are meant.
type match struct {
	prefix, suffix string
	limit, offset  uint // limit 0: all
	keysOnly       bool
}

// each calls f for the items of a table that match, in the order of their keys. kv knows
// prefixes alone: to find a suffix reads all that have the prefix.
func (s *kvStore) each(table string, m match, f func(kvclient.Item) error) error {
	var opts []kvclient.ListOption
	if m.keysOnly {
		opts = append(opts, kvclient.KeysOnly())
	}
	var n uint
	for item, err := range s.kv.List(s.opts.Context, table+m.prefix, opts...) {
		switch {
		case err != nil:
			return err
		case !strings.HasSuffix(strings.TrimPrefix(item.Key, table), m.suffix):
			continue
		}
		if n++; n <= m.offset {
			continue
		}
		if err := f(item); err != nil {
			return err
		}
		if m.limit > 0 && n >= m.offset+m.limit {
			return nil
		}
	}
	return nil
}

// record belongs to who gets it, as those of go-micro's stores do: kvclient may share items.
func record(table string, item kvclient.Item) *store.Record {
	r := &store.Record{Key: strings.TrimPrefix(item.Key, table), Value: bytes.Clone(item.Value), Metadata: map[string]any{}}
	if !item.Expires.IsZero() {
		r.Expiry = max(time.Until(item.Expires), 1)
	}
	for name, text := range item.Metadata {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			v = text // of another writer
		}
		r.Metadata[name] = v
	}
	return r
}

// encode writes each value as JSON.
func encode(md map[string]any) (map[string]string, error) {
	all := make(map[string]string, len(md))
	for name, v := range md {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", name, err)
		}
		all[name] = string(b)
	}
	return all, nil
}
