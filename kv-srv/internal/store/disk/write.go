package disk

import (
	"context"
	"strconv"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	at, err := s.glance(ctx, request.Put, namespace, w.Key, w.RequestID)
	if err != nil {
		return 0, err
	}
	version, err := s.put(ctx, at, w)
	return version, s.leave(ctx, at, err)
}

func (s *Store) put(ctx context.Context, at *place, w store.Write) (uint64, error) {
	if a, ok, err := s.answered(at); ok || err != nil {
		return a.Version, err
	}
	if w.IfAbsent && at.head.version != 0 {
		return 0, store.ErrExists
	}
	if w.IfVersion != 0 && at.head.version != w.IfVersion {
		return 0, store.ErrVersion
	}
	rec := &record{value: w.Value, metadata: w.Metadata, updated: at.now, expires: expiry(at.now, w.TTL)}
	return s.commit(ctx, at, change{store.Put, at.key, rec}, &request.Answer{})
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	at, err := s.glance(ctx, request.Delete, namespace, r.Key, r.RequestID)
	if err != nil {
		return err
	}
	return s.leave(ctx, at, s.delete(ctx, at, r))
}

func (s *Store) delete(ctx context.Context, at *place, r store.Removal) error {
	if _, ok, err := s.answered(at); ok || err != nil {
		return err
	}
	if at.head.version == 0 {
		return store.ErrNotFound
	}
	if r.IfVersion != 0 && at.head.version != r.IfVersion {
		return store.ErrVersion
	}
	return s.remove(ctx, at, store.Deleted, &request.Answer{})
}

// Increment implements store.Store. It keeps the metadata of an item that is there.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	at, err := s.enter(ctx, request.Increment, namespace, a.Key, a.RequestID)
	if err != nil {
		return 0, 0, err
	}
	answer, err := s.increment(ctx, at, a)
	return answer.Sum, answer.Version, s.leave(ctx, at, err)
}

func (s *Store) increment(ctx context.Context, at *place, a store.Addition) (request.Answer, error) {
	if a, ok, err := s.answered(at); ok || err != nil {
		return a, err
	}
	rec := &record{updated: at.now, expires: expiry(at.now, a.TTL)}
	answer := request.Answer{Sum: a.Delta}
	if at.rec != nil {
		rec.metadata, rec.expires = at.rec.metadata, at.rec.expires
		var err error
		if answer.Sum, err = store.Sum(at.rec.value, a.Delta); err != nil {
			return answer, err
		}
	}
	rec.value = strconv.AppendInt(nil, answer.Sum, 10)
	version, err := s.commit(ctx, at, change{store.Put, at.key, rec}, &answer)
	answer.Version = version
	return answer, err
}

// Touch implements store.Store. It gives the item a new version, and watchers the item.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	at, err := s.enter(ctx, request.Touch, namespace, key, "")
	if err != nil {
		return 0, err
	}
	version, err := s.touch(ctx, at, ttl)
	return version, s.leave(ctx, at, err)
}

func (s *Store) touch(ctx context.Context, at *place, ttl time.Duration) (uint64, error) {
	if at.rec == nil {
		return 0, store.ErrNotFound
	}
	rec := *at.rec
	rec.expires = expiry(at.now, ttl)
	return s.commit(ctx, at, change{store.Put, at.key, &rec}, nil)
}

// DeletePrefix implements store.Store. Each item is a change of its own, and all are
// waited for together.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	deleted, last, from := 0, uint64(0), ""
	for {
		page, err := s.List(ctx, namespace, store.Query{Prefix: prefix, After: from, Limit: batch, MaxBytes: pageBytes, KeysOnly: true})
		if err != nil {
			return deleted, err
		}
		for _, item := range page.Items {
			ok, version, err := s.deleteOne(ctx, namespace, item.Key)
			if err != nil {
				return deleted, err
			}
			if ok {
				deleted++
			}
			last = max(last, version)
			from = item.Key
		}
		if !page.More {
			return deleted, s.await(ctx, last)
		}
	}
}

// deleteOne deletes an item that may be gone, and returns the version that its stripe
// has then, without waiting for it.
func (s *Store) deleteOne(ctx context.Context, namespace, key string) (ok bool, version uint64, err error) {
	at, err := s.glance(ctx, request.Delete, namespace, key, "")
	if err != nil {
		return false, 0, err
	}
	defer at.stripe.mu.Unlock()
	if at.head.version != 0 {
		ok, err = true, s.remove(ctx, at, store.Deleted, nil)
	}
	return ok, at.stripe.last.Load(), err
}
