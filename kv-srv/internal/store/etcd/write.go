package etcd

import (
	"context"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	if err := s.enlist(ctx, namespace); err != nil {
		return 0, err
	}
	key := s.keys.item(namespace, w.Key)
	for expect := int64(0); ; { // the revision of what IfAbsent may replace
		now := time.Now()
		item := store.Item{Key: w.Key, Value: w.Value, Metadata: w.Metadata, Updated: now, Expires: store.Ends(now, w.TTL)}
		do, err := s.store(namespace, item, now)
		if err != nil {
			return 0, err
		}
		c := change{key: key, do: do, request: s.keys.request(request.Put, namespace, w.Key, w.RequestID)}
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
		if !there.Expired(time.Now()) {
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
		request: s.keys.request(request.Delete, namespace, r.Key, r.RequestID),
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
	if there.Expired(time.Now()) {
		return store.ErrNotFound
	}
	return store.ErrVersion
}

// Increment implements store.Store.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	if err := s.enlist(ctx, namespace); err != nil {
		return 0, 0, err
	}
	name := s.keys.request(request.Increment, namespace, a.Key, a.RequestID)
	out, err := s.update(ctx, namespace, a.Key, name, func(item *store.Item, now time.Time) (sum int64, err error) {
		if item.Version == 0 {
			item.Value, item.Expires = []byte("0"), store.Ends(now, a.TTL)
		}
		if sum, err = store.Sum(item.Value, a.Delta); err != nil {
			return 0, err
		}
		item.Value = strconv.AppendInt(nil, sum, 10)
		return sum, nil
	})
	return out.sum, out.version, err
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	out, err := s.update(ctx, namespace, key, "", func(item *store.Item, now time.Time) (int64, error) {
		if item.Version == 0 {
			return 0, store.ErrNotFound
		}
		item.Expires = store.Ends(now, ttl)
		return 0, nil
	})
	return out.version, err
}

// update changes an item to what f makes of it, which may be called several times. It
// gets an item of version 0 where there is none.
func (s *Store) update(ctx context.Context, namespace, key, name string, f func(*store.Item, time.Time) (sum int64, err error)) (outcome, error) {
	c := change{key: s.keys.item(namespace, key), request: name}
	end, err := s.turns.Take(ctx, c.key)
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
		if item.Expired(now) {
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
