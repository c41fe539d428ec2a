package disk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store/request"
)

// versions are reserved on disk in blocks: a start begins behind the last block, so that
// a version is never given twice.
const versions = 1 << 20

// patience is how long a write that finds no space is waited for.
const patience = time.Second

var errUnsure = errors.New("the disk became full: the write may be kept or not")

// commit gives a change its version, adds it to the group that is filled with all that
// comes with it, and returns the version. The item of the place is the one of the change
// then. The change is on disk once await returns for its version.
func (s *Store) commit(ctx context.Context, at *place, c change, answer *request.Answer) (uint64, error) {
	q := &s.queue
	if at.head.version > s.history.floorOf(at.namespace) { // where there is none, it has 0
		if err := s.fetch(at); err != nil {
			return 0, err
		}
	}
	if err := s.enqueue(ctx); err != nil {
		return 0, err
	}
	defer q.mu.Unlock()
	tally := q.tally(at.namespace)
	keys, bytes := at.grows(c)
	if c.rec != nil {
		if err := s.opts.Quotas.Check(at.namespace, tally.keys+keys, keys, tally.bytes+bytes, bytes); err != nil {
			q.drop(at.namespace, tally)
			return 0, err
		}
	}
	q.version++
	version := q.version
	if err := s.fill(at, c, answer, version); err != nil {
		s.fail(err)
		return 0, err
	}
	q.count(at.namespace, tally, keys, bytes)
	at.stripe.last.Store(version) // before anybody can see it
	if at.hold(c.rec); c.rec == nil && s.room.short() {
		s.removals.add(q.key)
	}
	at.stripe.heads.set(at.id, c.rec, at.head.bytes)
	return version, nil
}

// grows returns how many items and bytes a change adds.
func (at *place) grows(c change) (keys, bytes int64) {
	if c.rec != nil {
		keys, bytes = 1, c.rec.size(at.key)
	}
	if at.head.version != 0 {
		keys, bytes = keys-1, bytes-at.head.bytes
	}
	return keys, bytes
}

// fill writes what a change means.
func (s *Store) fill(at *place, c change, answer *request.Answer, version uint64) error {
	q, g := &s.queue, s.queue.filling
	moved, err := s.move(at)
	if err != nil {
		return err
	}
	e := entry{change: c, namespace: at.namespace, version: version, moved: moved}
	if at.rec != nil && at.rec.expires != 0 {
		err = errors.Join(err, g.batch.Delete(expiryKey(at.rec.expires, at.namespace, at.key), nil))
	}
	q.key = appendItemKey(q.key[:0], at.namespace, at.key)
	if c.rec == nil {
		err = errors.Join(err, g.batch.Delete(q.key, nil))
	} else {
		c.rec.version = version
		e.rec = nil // the item has it
		err = errors.Join(err, q.set(c.rec))
		if c.rec.expires != 0 {
			g.ends(c.rec.expires)
			err = errors.Join(err, g.batch.Set(expiryKey(c.rec.expires, at.namespace, at.key), nil, nil))
		}
	}
	if answer != nil && at.request.Given {
		answer.Version = version
		g.answers[at.request.Sum] = *answer
		err = errors.Join(err, g.batch.Set(requestKey(at.now/int64(generation), at.request.Sum), appendAnswer(nil, *answer), nil))
	}
	if version >= q.limit {
		q.limit += versions
		err = errors.Join(err, g.batch.Set(metaKey("limit"), encode(q.limit), nil))
	}
	g.entries = append(g.entries, e)
	g.latest[name{at.namespace, at.key}] = c.rec
	g.last = version
	return err
}

// move keeps the item of a place, which is about to be replaced, in the history, if that
// still has its change.
func (s *Store) move(at *place) (moved, error) {
	g := s.queue.filling
	if first := g.first(); first != 0 && at.head.version >= first {
		g.entries[at.head.version-first].rec = at.rec
		return moved{}, nil
	}
	if at.head.version <= s.history.floorOf(at.namespace) { // or there is none
		return moved{}, nil
	}
	b := s.queue.encode(change{kind: kindPut, key: at.key, rec: at.rec})
	m := moved{version: at.rec.version, bytes: int64(len(b))}
	return m, g.batch.Set(changeKey(at.namespace, at.rec.version), b, nil)
}

// apply appends to the log. The engine panics where its log has failed.
func (s *Store) apply(b *pebble.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("append to the log: %v", r)
		}
	}()
	return s.db.ApplyNoSyncWait(b, pebble.Sync)
}

// take takes the token of the order.
func (s *Store) take(ctx context.Context) error {
	select {
	case s.order <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failed:
		return *s.broken.Load()
	}
}

// await returns when all changes up to a version are on disk, or an error: that nobody
// can tell.
func (s *Store) await(ctx context.Context, version uint64) error {
	if s.synced.Load() >= version {
		return nil
	}
	done := s.landing(version)
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failed:
		return *s.broken.Load()
	case <-s.room.jamming():
	}
	grace := time.NewTimer(patience)
	defer grace.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failed:
		return *s.broken.Load()
	case <-grace.C:
		return errUnsure
	}
}
