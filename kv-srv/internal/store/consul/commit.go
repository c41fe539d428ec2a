package consul

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/record"
)

// keep is how many changes of a namespace can be watched from, and inline the largest
// record that the log has itself. Of a larger one it says that it is under its key.
const (
	keep   = 4096
	inline = 16 << 10
)

// most is how many keys can be read at once: a transaction has 64 operations.
const most = 63

// read returns what is under each of some keys, nil for nothing. None may be the prefix
// of another key. From a token that may not read them Consul would hide them; so there
// is an operation that it refuses.
func (s *Store) read(ctx context.Context, names ...string) ([]*api.KVPair, error) {
	ops := make(api.TxnOps, len(names), len(names)+1)
	for i, name := range names {
		ops[i] = &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVGetTree, Key: name}}
	}
	ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckNotExists, Key: s.keys.nothing()}})
	return ask(ctx, s, func(q *api.QueryOptions) ([]*api.KVPair, error) {
		ok, rsp, _, err := s.client.Txn().Txn(ops, q)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New(said(rsp))
		}
		pairs := make([]*api.KVPair, len(names))
		for _, r := range rsp.Results {
			if i := slices.Index(names, r.KV.Key); i >= 0 {
				pairs[i] = r.KV
			}
		}
		return pairs, nil
	})
}

func said(rsp *api.TxnResponse) string {
	what := make([]string, len(rsp.Errors))
	for i, e := range rsp.Errors {
		what[i] = e.What
	}
	return strings.Join(what, "; ")
}

// denied is what Consul says of an operation that the token does not allow.
const denied = "Permission denied"

// transact does all of some operations, or none and says which have failed.
func (s *Store) transact(ctx context.Context, ops []*api.KVTxnOp) (index uint64, failed []int, err error) {
	txn := make(api.TxnOps, len(ops))
	for i, op := range ops {
		txn[i] = &api.TxnOp{KV: op}
	}
	index, err = ask(ctx, s, func(q *api.QueryOptions) (index uint64, err error) {
		ok, rsp, _, err := s.client.Txn().Txn(txn, q)
		if err != nil {
			return 0, err
		}
		for _, e := range rsp.Errors {
			if e.What == denied {
				return 0, errors.New(e.What)
			}
			failed = append(failed, e.OpIndex)
		}
		if !ok && len(failed) == 0 {
			return 0, errors.New("a transaction failed and does not say why")
		}
		for _, r := range rsp.Results {
			index = max(index, r.KV.ModifyIndex)
		}
		return index, nil
	})
	return index, failed, err
}

// entry is a change as the log has it.
type entry struct {
	kind   store.Kind
	key    string
	record []byte // of an item that was put; nil: it is under its key, or was
	grows  holds  // what it adds to its namespace
}

func (e entry) append() []byte {
	b := binary.AppendUvarint(nil, uint64(max(e.kind, 0)))
	b = binary.AppendUvarint(b, uint64(len(e.key)))
	b = append(b, e.key...)
	if len(e.record) > inline {
		return b
	}
	return append(b, e.record...)
}

// event reads what append made. It lacks the item of a large record.
func event(pair *api.KVPair) (e store.Event, whole bool, err error) {
	bad := fmt.Errorf("%q is not one of ours", pair.Key)
	kind, n := binary.Uvarint(pair.Value)
	if n <= 0 {
		return e, false, bad
	}
	rest := pair.Value[n:]
	size, n := binary.Uvarint(rest)
	if n <= 0 || size > uint64(len(rest[n:])) {
		return e, false, bad
	}
	key, rest := string(rest[n:n+int(size)]), rest[n+int(size):]                                   //nolint:gosec // just compared
	e = store.Event{Kind: store.Kind(kind), Version: pair.ModifyIndex, Item: store.Item{Key: key}} //nolint:gosec // was one
	if e.Kind != store.Put {
		return e, true, nil
	}
	if len(rest) == 0 {
		return e, false, nil
	}
	e.Item, err = decode(key, pair.ModifyIndex, rest)
	return e, true, err
}

// encode makes the record of an item. It is never empty, since it has a time.
func encode(item store.Item) ([]byte, error) {
	item.Key, item.Version = "", 0
	return record.Append(nil, item)
}

func decode(key string, version uint64, b []byte) (store.Item, error) {
	item, err := record.Read(b)
	if err != nil {
		return item, fmt.Errorf("%q: %w", key, err)
	}
	item.Key, item.Version = key, version
	return item, nil
}

// commit does operations together with an entry in the log of a namespace, and returns the
// version of the change. Nothing is done, and ok is false, where one of them fails.
func (s *Store) commit(ctx context.Context, namespace string, e entry, ops []*api.KVTxnOp) (version uint64, ok bool, err error) {
	end, err := s.logs.Take(ctx, namespace)
	if err != nil {
		return 0, false, err
	}
	defer end()
	for {
		at, err := s.head(ctx, namespace)
		if err != nil {
			return 0, false, err
		}
		s.heads.forget(namespace)
		next := at.after(e)
		logged := []*api.KVTxnOp{
			{Verb: api.KVCAS, Key: s.keys.head(namespace), Index: at.index, Value: next.append()},
			{Verb: api.KVSet, Key: s.keys.change(namespace, next.number), Value: e.append()},
		}
		if next.number > keep {
			logged = append(logged, &api.KVTxnOp{Verb: api.KVDelete, Key: s.keys.change(namespace, next.number-keep)})
		}
		index, failed, err := s.transact(ctx, append(logged, ops...))
		switch {
		case err != nil:
			return 0, false, err
		case len(failed) == 0:
			next.index = index
			s.heads.set(namespace, next)
			return index, true, nil
		case slices.ContainsFunc(failed, func(i int) bool { return i >= len(logged) }):
			return 0, false, nil
		} // else somebody else has written to the namespace
	}
}
