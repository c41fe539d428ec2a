package etcd

import (
	"context"
	"math"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	key := s.keys.item(namespace, w.Key)
	for expect := int64(0); ; { // the revision of what IfAbsent may replace
		now := time.Now()
		item := store.Item{Key: w.Key, Value: w.Value, Metadata: w.Metadata, Updated: now, Expires: ends(now, w.TTL)}
		do, err := s.store(namespace, item, now)
		if err != nil {
			return 0, err
		}
		c := change{key: key, do: do, request: s.keys.request(put, namespace, w.Key, w.RequestID)}
		switch {
		case w.IfAbsent:
			c.when = []clientv3.Cmp{unchanged(key, expect)}
		case w.IfVersion != 0:
			c.when = []clientv3.Cmp{unchanged(key, revisionOf(w.IfVersion)), living(key, now)}
		}
		out, err := s.apply(ctx, c)
		switch {
		case err != nil:
			return 0, err
		case out.done:
			return out.version, nil
		case !w.IfAbsent:
			return 0, store.ErrVersion
		case out.item == nil: // deleted meanwhile
			expect = 0
			continue
		}
		there, err := decode(w.Key, out.item)
		if err != nil {
			return 0, err
		}
		if !expired(there, time.Now()) {
			return 0, store.ErrExists
		}
		expect = out.item.GetModRevision()
	}
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	key, now := s.keys.item(namespace, r.Key), time.Now()
	c := change{
		key: key, when: []clientv3.Cmp{living(key, now)}, do: []clientv3.Op{clientv3.OpDelete(key)},
		request: s.keys.request(del, namespace, r.Key, r.RequestID),
	}
	if r.IfVersion != 0 {
		c.when = append(c.when, unchanged(key, revisionOf(r.IfVersion)))
	}
	out, err := s.apply(ctx, c)
	if err != nil || out.done {
		return err
	}
	if out.item == nil {
		return store.ErrNotFound
	}
	there, err := decode(r.Key, out.item)
	if err != nil {
		return err
	}
	if expired(there, time.Now()) {
		return store.ErrNotFound
	}
	return store.ErrVersion
}

// Increment implements store.Store.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	request := s.keys.request(increment, namespace, a.Key, a.RequestID)
	out, err := s.update(ctx, namespace, a.Key, request, func(item *store.Item, now time.Time) (sum int64, err error) {
		if item.Version == 0 {
			item.Value, item.Expires = []byte("0"), ends(now, a.TTL)
		}
		n, err := strconv.ParseInt(string(item.Value), 10, 64)
		if err != nil {
			return 0, store.ErrNotNumber
		}
		if (a.Delta > 0 && n > math.MaxInt64-a.Delta) || (a.Delta < 0 && n < math.MinInt64-a.Delta) {
			return 0, store.ErrOverflow
		}
		item.Value = strconv.AppendInt(nil, n+a.Delta, 10)
		return n + a.Delta, nil
	})
	return out.sum, out.version, err
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	out, err := s.update(ctx, namespace, key, "", func(item *store.Item, now time.Time) (int64, error) {
		if item.Version == 0 {
			return 0, store.ErrNotFound
		}
		item.Expires = ends(now, ttl)
		return 0, nil
	})
	return out.version, err
}

// update changes an item to what f makes of it, which may be called several times. It
// gets an item of version 0 where there is none.
func (s *Store) update(ctx context.Context, namespace, key, request string, f func(*store.Item, time.Time) (sum int64, err error)) (outcome, error) {
	c := change{key: s.keys.item(namespace, key), request: request}
	end, err := s.turns.take(ctx, c.key)
	if err != nil {
		return outcome{}, err
	}
	defer end()
	out, err := s.look(ctx, c)
	for err == nil && !out.done {
		now, item := time.Now(), store.Item{Key: key}
		if out.item != nil {
			if item, err = decode(key, out.item); err != nil {
				return outcome{}, err
			}
		}
		if expired(item, now) {
			item = store.Item{Key: key}
		}
		if c.sum, err = f(&item, now); err != nil {
			return outcome{}, err
		}
		item.Updated = now
		c.when = []clientv3.Cmp{unchanged(c.key, out.item.GetModRevision())}
		if c.do, err = s.store(namespace, item, now); err != nil {
			return outcome{}, err
		}
		out, err = s.apply(ctx, c)
	}
	return out, err
}
