// Package lease keeps the leases of instances: who does not renew one in time loses it,
// unless so many are late that it is not they who are lost.
package lease

import (
	"container/heap"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"sync/atomic"
	"time"

	"github.com/micro/platform/discovery-srv/internal/catalog"
)

// Options are fixed when a Table is made.
type Options struct {
	// Share of the leases that must be on time for any to end: 0.85. It is of those that
	// there are, or were a time to live ago, if these are more: who has been dropped since
	// was on time.
	Share float64

	// Few is how many may be late whatever their share is: in a small platform one that
	// stops is a large part of all.
	Few int

	// Longest is how long leases are preserved at most.
	Longest time.Duration

	// Warming is how long after New the table is not to be believed in what it has not.
	Warming time.Duration

	// Unsure tells that it is not, for another reason. It does not wait; nil: it never is so.
	Unsure func() bool

	// Ended is called when leases have ended, by Run alone.
	Ended func(context.Context, []catalog.ID)

	// Changed is called by Run when preserving begins and ends.
	Changed func(State)
}

// Table is the leases that one node has granted. Its methods may be called at once.
type Table struct {
	opts  Options
	begun time.Time

	mu     sync.RWMutex
	byID   map[string]*lease
	byName map[catalog.ID]*lease
	queue  queue
	left   left

	preserving time.Time // since when; zero: it is not
	exhausted  bool      // it has been for the longest time, and as many are late
	late       int       // when they were counted
	judged     int64     // when that was
	looked     int64     // when Run looked last; 0: it has not
	lost       uint64

	renewals, unknown atomic.Uint64

	earlier chan struct{} // tells Run that the first end is before what it waits for
}

// lease is a promise to one instance.
type lease struct {
	id      string
	who     catalog.ID
	ttl     time.Duration
	since   int64        // when the instance got its first; like all times here nanoseconds since Table.begun
	renewed atomic.Int64 // by the monotonic clock
	due     int64        // when Run is to look at it, no later than its end; under mu
	at      int          // in the queue; under mu
}

func (l *lease) end() int64 { return l.renewed.Load() + int64(l.ttl) }

// late tells that it was not renewed for two thirds of its time.
func (l *lease) late(now int64) bool { return now-l.renewed.Load() > int64(l.ttl)*2/3 }

// New returns a table without leases. Run ends them.
func New(o Options) *Table {
	return &Table{
		opts: o, begun: time.Now(),
		byID: map[string]*lease{}, byName: map[catalog.ID]*lease{}, left: left{}, earlier: make(chan struct{}, 1),
	}
}

func (t *Table) now() int64 { return int64(time.Since(t.begun)) }

// Grant gives an instance a new lease, and ends an earlier one. It returns what names it to
// its holder alone.
func (t *Table) Grant(who catalog.ID, ttl time.Duration) (id string) {
	l := &lease{id: rand.Text(), who: who, ttl: ttl}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	l.since = now
	if old := t.byName[who]; old != nil {
		l.since = old.since
		t.drop(old)
	}
	l.renewed.Store(now)
	l.due = now + int64(ttl)
	t.byID[l.id], t.byName[who] = l, l
	heap.Push(&t.queue, l)
	if t.queue[0] == l {
		select {
		case t.earlier <- struct{}{}:
		default:
		}
	}
	return l.id
}

// Renew keeps leases for another time to live, and returns those that are not known.
func (t *Table) Renew(ids []string) (unknown []string) {
	now := t.now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	defer func() {
		t.renewals.Add(uint64(len(ids)) - uint64(len(unknown)))
		t.unknown.Add(uint64(len(unknown)))
	}()
	for _, id := range ids {
		if l := t.byID[id]; l != nil {
			l.renewed.Store(now)
		} else {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

// Holds tells whether an instance has a lease, and whether it is the one of an ID.
func (t *Table) Holds(who catalog.ID, id string) (held, this bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	l := t.byName[who]
	return l != nil, l != nil && subtle.ConstantTimeCompare([]byte(l.id), []byte(id)) == 1
}

// Drop ends the lease of an instance that has said so, if it has one. Ended is not called.
func (t *Table) Drop(who catalog.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.byName[who]; l != nil {
		t.drop(l)
		if now := t.now(); !l.young(now) {
			t.left.note(now, l.ttl)
		}
	}
}

func (t *Table) drop(l *lease) {
	delete(t.byID, l.id)
	delete(t.byName, l.who)
	heap.Remove(&t.queue, l.at)
}

// State is what a table knows of itself.
type State struct {
	Leases     int
	Late       int       // not renewed for two thirds of their time to live, up to a second ago
	Preserving time.Time // since when; zero: leases end
	Warming    bool

	Renewals, Unknown, Lost uint64 // so far
}

// State returns the current figures.
func (t *Table) State() State {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.state()
}

func (t *Table) state() State {
	return State{
		Leases: len(t.byID), Late: t.late, Preserving: t.preserving,
		Warming:  time.Since(t.begun) < t.opts.Warming || t.opts.Unsure != nil && t.opts.Unsure(),
		Renewals: t.renewals.Load(), Unknown: t.unknown.Load(), Lost: t.lost,
	}
}

// pause is how often Run looks at what it cannot end, and at how many are late.
const pause = time.Second

// Run ends leases until ctx is done.
func (t *Table) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.earlier:
		case <-timer.C:
		}
		ended, changed, next := t.pass()
		if changed != nil {
			t.opts.Changed(*changed)
		}
		if len(ended) > 0 {
			t.opts.Ended(ctx, ended)
			t.attend()
		}
		timer.Reset(next)
	}
}

// pass ends what is over, unless that is preserved, and tells when to look again. It returns
// the state if preserving begins or ends.
func (t *Table) pass() (ended []catalog.ID, changed *State, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.excuse(now)
	over := t.over(now)
	if len(over) > 0 || now-t.judged >= int64(pause) {
		changed = t.judge(now)
	}
	for _, l := range over {
		if !t.preserving.IsZero() {
			l.due = now + int64(pause)
			heap.Push(&t.queue, l)
			continue
		}
		if end := l.end(); end > now { // it was excused meanwhile
			l.due = end
			heap.Push(&t.queue, l)
			continue
		}
		delete(t.byID, l.id)
		delete(t.byName, l.who)
		ended = append(ended, l.who)
	}
	t.lost += uint64(len(ended))
	if len(t.queue) == 0 {
		return ended, changed, pause
	}
	return ended, changed, min(time.Duration(max(t.queue[0].due-now, 0)), pause)
}

// over takes out of the queue what has not been renewed in time.
func (t *Table) over(now int64) (over []*lease) {
	for len(t.queue) > 0 && t.queue[0].due <= now {
		l := t.queue[0]
		if end := l.end(); end > now {
			l.due = end
			heap.Fix(&t.queue, 0)
			continue
		}
		heap.Pop(&t.queue)
		over = append(over, l)
	}
	return over
}
