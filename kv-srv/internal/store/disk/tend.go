package disk

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

const (
	// tick is how late an expired item may be removed. It joins many expiries in one
	// wake-up; readers look at the time themselves.
	tick = 100 * time.Millisecond

	// generation is the answers that are forgotten together: an answer lives for
	// RequestMemory at least and twice as long at most.
	generation = store.RequestMemory

	// retry is when what failed is tried again.
	retry = time.Second
)

// tend is what the keeper has to know.
type tend struct {
	poke  chan struct{} // holds one signal: there is something to do
	first atomic.Int64  // nothing ends before it
	next  atomic.Int64  // when the keeper looks next, 0 while it does not know
}

func (t *tend) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// expires sees to it that the keeper looks soon after a time, at which an item ends that
// is written already.
func (t *tend) expires(at int64) {
	t.lower(at)
	if next := t.next.Load(); next == 0 || at+int64(tick) < next {
		t.wake()
	}
}

// lower notes that something may end at a time.
func (t *tend) lower(at int64) {
	for {
		first := t.first.Load()
		if first <= at || t.first.CompareAndSwap(first, at) {
			return
		}
	}
}

// answered returns the answer that is remembered for the request of a place.
func (s *Store) answered(at *place) (a request.Answer, ok bool, err error) {
	if !at.request.Given {
		return a, false, nil
	}
	if at.stripe.last.Load() > s.applied.Load() {
		if a, ok = s.queue.replied(at.request.Sum); ok {
			return a, true, nil
		}
	}
	now := at.now / int64(generation)
	for _, gen := range []int64{now, now - 1} {
		b, closer, err := s.db.Get(requestKey(gen, at.request.Sum))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return a, false, damaged(err)
		}
		r := reader{b: b}
		a = r.answer()
		return a, r.err == nil, errors.Join(r.err, closer.Close())
	}
	return a, false, nil
}

// keep removes what is past its time until the store is closed.
func (s *Store) keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	forgotten := int64(0)
	for {
		select {
		case <-s.done:
			return
		case <-s.tend.poke:
		case <-timer.C:
		}
		wait, err := s.tidy(ctx, &forgotten)
		if err != nil && ctx.Err() == nil {
			s.opts.Log.DebugContext(ctx, "kv store cannot tidy up now", slog.Any("error", err))
		}
		timer.Reset(wait)
	}
}

// tidy removes some of what is past its time, and returns when to look again.
func (s *Store) tidy(ctx context.Context, forgotten *int64) (time.Duration, error) {
	if err := s.admit(ctx, request.Delete); err != nil { // or what expires
		return retry, err
	}
	now := s.now()
	short := s.room.short()
	if short && s.removals.begin() {
		s.kept.Go(func() { s.reclaim(ctx) })
	}
	if gen := now/int64(generation) - 1; gen > *forgotten {
		if err := s.db.DeleteRange([]byte{tagRequest}, requestBound(gen), pebble.NoSync); err != nil {
			return retry, err
		}
		*forgotten = gen
	}
	if err := s.trim(ctx); err != nil {
		return retry, err
	}
	s.tend.next.Store(0)
	next, err := s.sweep(ctx, now)
	if err != nil {
		return retry, err
	}
	next = min(next, (now/int64(generation)+1)*int64(generation))
	if short {
		next = min(next, now+int64(retry))
	}
	s.tend.next.Store(next)
	return time.Duration(max(next-s.now(), 0)), nil
}

// sweep removes a batch of what is past its time, and returns when there will be more.
func (s *Store) sweep(ctx context.Context, now int64) (next int64, err error) {
	from := s.tend.first.Swap(now + int64(time.Hour))
	due, next, err := s.due(from, now)
	if err != nil {
		s.tend.lower(from)
		return 0, err
	}
	s.tend.lower(min(next, now+int64(time.Hour)))
	defer func() {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		s.launch()
	}()
	for _, d := range due {
		if err := s.finish(ctx, d); err != nil {
			s.tend.lower(from)
			return 0, err
		}
	}
	return (next + int64(tick) - 1) / int64(tick) * int64(tick), nil
}

// ending is an item that is past its time, as its index says.
type ending struct {
	at             int64
	namespace, key string
}

// due returns a batch of what has ended since a time, and when the next one ends.
func (s *Store) due(from, now int64) (due []ending, next int64, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: expiryBound(from), UpperBound: []byte{tagExpiry + 1}})
	if err != nil {
		return nil, 0, err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		at, namespace, key, ok := expiryOf(it.Key())
		if !ok {
			return nil, 0, errRecord
		}
		if at > now || len(due) == batch {
			return due, at, nil
		}
		due = append(due, ending{at, namespace, key})
	}
	return due, now + int64(time.Hour), it.Error()
}

// finish removes an item if it is past its time.
func (s *Store) finish(ctx context.Context, d ending) error {
	at, err := s.enter(ctx, request.Delete, d.namespace, d.key, "") // which is what removes it
	if err != nil {
		return err
	}
	defer at.stripe.mu.Unlock()
	if at.rec != nil && at.rec.expires == d.at { // the clock went back
		return nil
	}
	return s.db.Delete(expiryKey(d.at, d.namespace, d.key), pebble.NoSync) // if it was overwritten
}
