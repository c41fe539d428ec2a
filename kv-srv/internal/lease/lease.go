// Package lease keeps short leases on keys, and tells who waits for one that it has ended.
package lease

import (
	"container/heap"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Table has the leases of one process. Its methods may be called at once. It starts no
// goroutine: leases whose time is over go with the next Take or End of any key.
type Table struct {
	now func() time.Time
	max int
	len atomic.Int64 // of all; changes under mu

	mu    sync.Mutex
	all   map[name]*entry // what is leased or waited for
	ends  queue           // the leases, the first to end first
	stats Stats
}

type name struct{ namespace, key string }

// entry is what a Table knows of a key.
type entry struct {
	name    name
	ends    time.Time // of the lease
	at      int       // in the queue; notLeased
	waiting int
	ended   chan struct{} // closed by End; made with the first that waits
	turn    chan struct{} // has one element while somebody has the turn
}

const notLeased = -1

// Stats is what a Table counts.
type Stats struct {
	Leases  int    // there are, with those whose time is over but that are not removed yet
	Waiting int    // calls that wait for one to end
	Taken   uint64 // since the Table was made, as are the others
	Expired uint64 // of these, how many ended by their time: nobody wrote to the key
	Unkept  uint64 // were granted and not kept: the Table was full
}

// New returns a Table of at most so many leases. A full one grants what it cannot keep.
func New(now func() time.Time, most int) *Table {
	return &Table{now: now, max: most, all: map[name]*entry{}}
}

// Take takes the lease on a key for d, unless somebody has it: false. Where the Table is
// full the answer is true, and nobody waits for that lease: then it is as if there were no
// leases.
func (t *Table) Take(namespace, key string, d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.expire(now)
	n := name{namespace, key}
	e := t.all[n]
	if e != nil && e.at != notLeased {
		return false
	}
	if len(t.ends) >= t.max {
		t.stats.Unkept++
		return true
	}
	if e == nil {
		e = t.add(n)
	}
	e.ends = now.Add(d)
	heap.Push(&t.ends, e)
	t.stats.Taken++
	return true
}

// End ends the lease on a key, if there is one, and wakes who waits for it. Where nothing
// is leased or waited for it costs next to nothing.
func (t *Table) End(namespace, key string) {
	if t.len.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.now())
	if e := t.all[name{namespace, key}]; e != nil {
		t.end(e)
	}
}

// EndPrefix is End for all keys that begin with prefix. It goes through all leases.
func (t *Table) EndPrefix(namespace, prefix string) {
	if t.len.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.now())
	for n, e := range t.all {
		if n.namespace == namespace && strings.HasPrefix(n.key, prefix) {
			t.end(e)
		}
	}
}

// Stats returns what was counted until now.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.now())
	s := t.stats
	s.Leases = len(t.ends)
	return s
}

func (t *Table) add(n name) *entry {
	e := &entry{name: n, at: notLeased}
	t.all[n] = e
	t.len.Store(int64(len(t.all)))
	return e
}

func (t *Table) remove(e *entry) {
	delete(t.all, e.name)
	t.len.Store(int64(len(t.all)))
}

// end forgets a key. Who still waits has the entry, and leaves it.
func (t *Table) end(e *entry) {
	if e.at != notLeased {
		heap.Remove(&t.ends, e.at)
	}
	if e.ended != nil {
		close(e.ended)
	}
	t.remove(e)
}

// expire ends the leases whose time is over. Who waits for one of them goes on waiting, for
// whoever takes the next.
func (t *Table) expire(now time.Time) {
	for len(t.ends) > 0 && !t.ends[0].ends.After(now) {
		e := heap.Pop(&t.ends).(*entry)
		t.stats.Expired++
		if e.waiting == 0 {
			t.remove(e)
		}
	}
}
