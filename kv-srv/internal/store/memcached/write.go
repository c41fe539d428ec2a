package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// do does a change. The answer to a request with an ID stands in the record that it wrote,
// and whoever writes the next record first gives it a place of its own. So an answer is in
// the record, or was elsewhere before the record was there.
func (s *Store) do(ctx context.Context, c change.Change) (request.Answer, error) {
	at, name := placeOf(c.Namespace, c.Key), c.Name()
	end, err := s.turns.Take(ctx, at.at)
	if err != nil {
		return request.Answer{}, err
	}
	defer end()
	for {
		old, err := s.read(ctx, at)
		if err != nil {
			return request.Answer{}, err
		}
		if name.Given {
			if a, ok, err := s.answered(ctx, old, name.Sum); ok || err != nil {
				return a, err
			}
		}
		now := time.Now()
		after, sum, err := c.To(old.living(c.Key, now), now)
		if err != nil {
			return request.Answer{}, err
		}
		if err := s.settle(ctx, old, now); err != nil {
			return request.Answer{}, err
		}
		next := entry{header: header{Removed: after == nil, Version: versionAfter(old.Version, now), Request: name.Sum, Sum: sum}, cas: old.cas}
		next.item.Updated = now
		if after != nil {
			next.item = *after
		}
		err = s.replace(ctx, at, old.there, next)
		if !errors.Is(err, errChanged) && !errors.Is(err, memcache.ErrCacheMiss) {
			return next.answer(), err
		}
	}
}

// versionAfter is the time, in nanoseconds, and larger than the version before. So the
// versions of a key that memcached has forgotten go on growing.
func versionAfter(old uint64, now time.Time) uint64 {
	return max(old+1, uint64(max(now.UnixNano(), 0)))
}

// answered returns the answer to a request that was done before the entry was read.
func (s *Store) answered(ctx context.Context, e entry, name [16]byte) (request.Answer, bool, error) {
	if e.there && e.Request == name {
		return e.answer(), true, nil
	}
	item, err := s.get(ctx, answerAt(name))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return request.Answer{}, false, nil
	}
	if err != nil {
		return request.Answer{}, false, err
	}
	a, err := decodeAnswer(item.Value)
	return a, true, err
}

// settle gives the answer in a record that will be replaced a place of its own.
func (s *Store) settle(ctx context.Context, e entry, now time.Time) error {
	if !e.remembers(now) {
		return nil
	}
	item := &memcache.Item{Key: answerAt(e.Request), Value: encodeAnswer(e.answer()), Expiration: expiration(now, now.Add(memory))}
	_, err := ask(ctx, s, item.Key, func() (struct{}, error) { return struct{}{}, s.client.Set(item) })
	return err
}

// replace writes a record over the one that was read, or where there was none. It returns
// errChanged or memcache.ErrCacheMiss where that is not so any more.
func (s *Store) replace(ctx context.Context, at place, there bool, next entry) error {
	value, end, err := next.encode(at)
	if err != nil {
		return err
	}
	item := &memcache.Item{Key: at.at, Value: value, Expiration: expiration(next.item.Updated, end), CasID: next.cas}
	_, err = ask(ctx, s, at.at, func() (struct{}, error) {
		if there {
			return struct{}{}, s.client.CompareAndSwap(item)
		}
		return struct{}{}, s.client.Add(item)
	})
	return err
}
