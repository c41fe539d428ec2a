package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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

// entry is a write in the order of the log.
type entry struct {
	batch     *pebble.Batch
	namespace string
	key       string
	version   uint64
	size      int64 // of the change
}

// commit gives a change its version, appends it to the log with all that comes with it,
// and returns the version. The item of the place is the one of the change then. The
// change is on disk once await returns for its version.
func (s *Store) commit(ctx context.Context, at *place, c change, answer *request.Answer) (uint64, error) {
	if err := s.take(ctx, s.underway); err != nil {
		return 0, err
	}
	if err := s.take(ctx, s.order); err != nil {
		<-s.underway
		return 0, err
	}
	defer func() { <-s.order }()
	e := entry{batch: s.db.NewBatch(), namespace: at.namespace, key: at.key, version: s.version + 1}
	if err := s.fill(&e, at, c, answer); err != nil {
		<-s.underway
		return 0, errors.Join(err, e.batch.Close())
	}
	s.version = e.version
	at.stripe.last.Store(e.version) // before anybody can see it
	if err := s.apply(e.batch); err != nil {
		<-s.underway
		s.fail(err)
		return 0, err
	}
	s.log <- e // has room for all under way
	if at.rec = c.rec; c.rec != nil && c.rec.expires != 0 {
		s.tend.expires(c.rec.expires)
	}
	return e.version, nil
}

// take takes a token.
func (s *Store) take(ctx context.Context, tokens chan<- struct{}) error {
	select {
	case tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failed:
		return *s.broken.Load()
	}
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

// fill writes what a change means.
func (s *Store) fill(e *entry, at *place, c change, answer *request.Answer) error {
	b := e.batch
	var errs []error
	set := func(key, value []byte) { errs = append(errs, b.Set(key, value, nil)) }
	if at.rec != nil && at.rec.expires != 0 {
		errs = append(errs, b.Delete(expiryKey(at.rec.expires, at.namespace, at.key), nil))
	}
	if c.rec == nil {
		errs = append(errs, b.Delete(itemKey(at.namespace, at.key), nil))
	} else {
		c.rec.version = e.version
		set(itemKey(at.namespace, at.key), c.rec.append(nil))
		if c.rec.expires != 0 {
			set(expiryKey(c.rec.expires, at.namespace, at.key), nil)
		}
	}
	if answer != nil && at.request.Given {
		answer.Version = e.version
		set(requestKey(at.now/int64(generation), at.request.Sum), appendAnswer(nil, *answer))
	}
	key, value := changeKey(at.namespace, e.version), c.append(nil)
	set(key, value)
	e.size = changeCost + int64(len(key)+len(value))
	if e.version >= s.limit {
		s.limit += versions
		set(metaKey("limit"), encode(s.limit))
	}
	return errors.Join(errs...)
}

// synced is how far the log is on disk.
type synced struct {
	version atomic.Uint64

	mu      sync.Mutex
	waiting []waiter
}

type waiter struct {
	version uint64
	done    chan struct{}
}

// reach notes that all changes up to a version are on disk.
func (y *synced) reach(version uint64) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.version.Store(version)
	left := y.waiting[:0]
	for _, w := range y.waiting {
		if w.version <= version {
			close(w.done)
		} else {
			left = append(left, w)
		}
	}
	clear(y.waiting[len(left):])
	y.waiting = left
}

// wait returns what is closed when a version is on disk, nil if it is.
func (y *synced) wait(version uint64) <-chan struct{} {
	if y.version.Load() >= version {
		return nil
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.version.Load() >= version {
		return nil
	}
	w := waiter{version, make(chan struct{})}
	y.waiting = append(y.waiting, w)
	return w.done
}

// await returns when all changes up to a version are on disk, or an error: that nobody
// can tell.
func (s *Store) await(ctx context.Context, version uint64) error {
	done := s.synced.wait(version)
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

// settle waits for the log to be synced, entry by entry, and tells watchers and writers.
func (s *Store) settle() {
	for e := range s.log {
		if err := e.batch.SyncWait(); err != nil {
			s.fail(err)
		}
		if s.broken.Load() == nil {
			s.publish(e)
			s.synced.reach(e.version)
			_ = e.batch.Close() // has nothing to say once it is written
		}
		<-s.underway
	}
}
