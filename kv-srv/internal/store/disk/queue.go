package disk

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

const kindPut = store.Put

// What ends a group, so that nobody waits long for it and it fits into a table in memory.
const (
	groupChanges = 1024
	groupBytes   = 1 << 20
	scratch      = 64 << 10 // what is kept of a buffer
)

// queue is the writes that are not on disk yet: a group that is filled, and those
// that are in the log. Who writes adds to the first, which goes to the log as soon as the
// one before is there; the lander waits for the disk.
type queue struct {
	mu      sync.Mutex
	version uint64 // that of the last change of any namespace
	limit   uint64 // versions up to it are reserved on disk
	filling *group
	lifting *group   // the one before
	flying  []*group // those that are not on disk, but for filling
	spare   *group   // to be filled next, or nil
	tallies map[string]*tally
	items   int64

	key, value []byte // buffers

	lifts bool // somebody appends to the log
	ended bool // nothing more comes

	landing chan *group // what is in the log
}

// group is changes that are written together, in the order of their versions, which
// follow each other.
type group struct {
	batch   *pebble.Batch
	entries []entry
	last    uint64           // version of the last change before its end
	end     int64            // when the first of its items ends; 0: none does
	latest  map[name]*record // what keys have then; nil: nothing
	answers map[[16]byte]request.Answer
	counted map[string]struct{} // namespaces whose tallies change
	taken   chan struct{}       // closed when it is full no more: another is filled
	done    chan struct{}       // closed when it is on disk
}

type name struct{ namespace, key string }

// entry is a change. It has a record where the item has not, or not any more.
type entry struct {
	change
	namespace string
	version   uint64
	size      int64 // in the history
	moved     moved
}

// moved is how much the history grows by an item that is replaced.
type moved struct {
	version uint64
	bytes   int64
}

// first is the version of the first change, 0 if there is none.
func (g *group) first() uint64 {
	if len(g.entries) == 0 {
		return 0
	}
	return g.entries[0].version
}

// ends notes when an item ends.
func (g *group) ends(at int64) {
	if g.end == 0 || at < g.end {
		g.end = at
	}
}

func (g *group) full() bool { return len(g.entries) >= groupChanges || g.batch.Len() >= groupBytes }

// newGroup returns the group to be filled.
func (s *Store) newGroup() *group {
	q := &s.queue
	g := q.spare
	if q.spare = nil; g == nil {
		g = &group{
			latest:  make(map[name]*record),
			answers: make(map[[16]byte]request.Answer),
			counted: make(map[string]struct{}),
		}
	}
	g.batch, g.last, g.end = s.db.NewBatch(), q.version, 0
	g.taken, g.done = make(chan struct{}), make(chan struct{})
	return g
}

// reuse empties a group that is on disk.
func (q *queue) reuse(g *group) {
	if q.lifting == g {
		q.lifting = nil
	}
	clear(g.entries)
	g.entries = g.entries[:0]
	clear(g.latest)
	clear(g.answers)
	clear(g.counted)
	q.spare = g
}

// enqueue waits until the group that is filled has room, and leaves the queue locked.
func (s *Store) enqueue(ctx context.Context) error {
	q := &s.queue
	for {
		if err := s.broken.Load(); err != nil {
			return *err
		}
		q.mu.Lock()
		g := q.filling
		if !g.full() {
			return nil
		}
		taken := g.taken
		s.launch()
		q.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.failed:
		}
	}
}

// encode returns a change as it is stored, until the next use of the buffer.
func (q *queue) encode(c change) []byte {
	if cap(q.value) > scratch {
		q.value = nil
	}
	q.value = c.append(q.value[:0])
	return q.value
}

// set stores a record under the key in the buffer.
func (q *queue) set(r *record) error {
	if cap(q.value) > scratch {
		q.value = nil
	}
	q.value = r.append(q.value[:0])
	return q.filling.batch.Set(q.key, q.value, nil)
}

// pending returns what a key has after the changes that nobody can read yet.
func (q *queue) pending(n name) (rec *record, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if rec, ok = q.filling.latest[n]; !ok && q.lifting != nil {
		rec, ok = q.lifting.latest[n]
	}
	return rec, ok
}

// replied returns the answer to a request that nobody can read yet.
func (q *queue) replied(sum [16]byte) (a request.Answer, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a, ok = q.filling.answers[sum]; !ok && q.lifting != nil {
		a, ok = q.lifting.answers[sum]
	}
	return a, ok
}

// landing returns what is closed when a version is on disk, nil if it is. It gets it on
// its way.
func (s *Store) landing(version uint64) <-chan struct{} {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.synced.Load() >= version {
		return nil
	}
	for _, g := range q.flying {
		if version <= g.last {
			return g.done
		}
	}
	s.launch()
	return q.filling.done
}

// launch sees to it that what is queued goes to the log. The queue is locked.
func (s *Store) launch() {
	if q := &s.queue; !q.lifts && !q.filling.batch.Empty() {
		q.lifts = true
		go s.lift()
	}
}

// ground ends the writing, after what is queued.
func (s *Store) ground() {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	if !q.lifts {
		q.lifts = true
		go s.lift()
	}
}

// lift appends group by group to the log, until nothing is queued. It is one at a time. No
// caller does it, since a disk without space can hold it up for long.
func (s *Store) lift() {
	runtime.Gosched() // others write, too
	for g := s.takeOff(); g != nil; g = s.takeOff() {
		if err := s.append(g); err != nil {
			s.fail(err)
			continue
		}
		s.queue.landing <- g
	}
}

// takeOff ends the filling of a group; nil: there is nothing to write, and who asks ends.
func (s *Store) takeOff() *group {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	g := q.filling
	if !g.batch.Empty() {
		if err := q.writeTallies(g); err != nil {
			s.fail(err)
		}
	}
	if s.broken.Load() != nil || g.batch.Empty() {
		if q.lifts = q.ended; q.ended {
			close(q.landing)
		}
		return nil
	}
	q.lifting, q.filling = g, s.newGroup()
	q.flying = append(q.flying, g)
	close(g.taken)
	return g
}

// append appends a group to the log, where its changes can be read.
func (s *Store) append(g *group) error {
	if err := g.writeChanges(); err != nil {
		return err
	}
	s.order <- struct{}{}
	defer func() { <-s.order }()
	if err := s.apply(g.batch); err != nil {
		return err
	}
	s.applied.Store(g.last)
	if g.end != 0 {
		s.tend.expires(g.end) // which is there to be found now
	}
	return nil
}

// land waits for the log to be synced, group by group, and tells watchers and writers.
func (s *Store) land() {
	q := &s.queue
	for g := range q.landing {
		if err := g.batch.SyncWait(); err != nil {
			s.fail(err)
		}
		if s.broken.Load() != nil {
			continue
		}
		s.publish(g)
		s.synced.Store(g.last)
		_ = g.batch.Close() // has nothing to say once it is written
		done := g.done
		q.mu.Lock()
		q.flying = slices.Delete(q.flying, 0, 1)
		q.reuse(g)
		q.mu.Unlock()
		close(done)
	}
}

// writeChanges adds the changes to the batch, after all that came with them: in the order
// of their keys, which the engine adds fastest.
func (g *group) writeChanges() error {
	var key, value []byte
	var errs []error
	for i := range g.entries {
		e := &g.entries[i]
		key = appendChangeKey(key[:0], e.namespace, e.version)
		value = e.append(value[:0])
		e.size = changeCost + int64(len(key)+len(value))
		if err := g.batch.Set(key, value, nil); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
