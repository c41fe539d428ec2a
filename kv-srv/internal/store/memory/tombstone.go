package memory

import (
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// tombRound joins the ends of many tombstones in one wake-up.
const tombRound = int64(10 * time.Second)

// tombstone says that an item was deleted, and at which version, so that an older copy
// of it does not come back.
type tombstone struct {
	name    name
	version uint64
	due     int64 // when it may be dropped

	older, newer   *tombstone
	before, behind *tombstone // of the same slot
}

// tombstones are found by name, walked by slot, and dropped in the order they were made.
// They change under Store.mu. In a store without Slots there are none.
type tombstones struct {
	max    int64 // bytes
	bytes  int64
	named  map[name]*tombstone
	slots  []*tombstone // the first of each
	oldest *tombstone
	newest *tombstone

	// forgotten is the largest version of those that were dropped, or had no room.
	forgotten uint64
}

func newTombstones(opts Options) tombstones {
	return tombstones{
		max:   opts.MaxBytes / 16,
		named: make(map[name]*tombstone),
		slots: make([]*tombstone, opts.Slots),
	}
}

// version is that at which an item was deleted, 0 if that is not known.
func (t *tombstones) version(n name) uint64 {
	if d := t.named[n]; d != nil {
		return d.version
	}
	return 0
}

func (t *tombstones) add(d *tombstone, slot int32) {
	t.named[d.name] = d
	t.bytes += costOfTombstone(d.name)
	d.older = t.newest
	if t.newest != nil {
		t.newest.newer = d
	} else {
		t.oldest = d
	}
	t.newest = d
	if d.behind = t.slots[slot]; d.behind != nil {
		d.behind.before = d
	}
	t.slots[slot] = d
}

func (t *tombstones) remove(d *tombstone, slot int32) {
	t.bytes -= costOfTombstone(d.name)
	if delete(t.named, d.name); len(t.named) == 0 {
		t.named = make(map[name]*tombstone) // a map keeps its size
	}
	if d.older != nil {
		d.older.newer = d.newer
	} else {
		t.oldest = d.newer
	}
	if d.newer != nil {
		d.newer.older = d.older
	} else {
		t.newest = d.older
	}
	if d.before != nil {
		d.before.behind = d.behind
	} else {
		t.slots[slot] = d.behind
	}
	if d.behind != nil {
		d.behind.before = d.before
	}
}

// Tombstone returns the version at which an item was deleted, 0 if none is known. It is
// known for store.RequestMemory and some seconds, as long as all of them take no more than
// a sixteenth of MaxBytes: the oldest go first.
func (s *Store) Tombstone(namespace, key string) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tombs.version(name{namespace, key})
}

// Forgotten returns the largest version of the deletions of which there is no tombstone
// any more, or never was one for lack of room; 0: there is none.
func (s *Store) Forgotten() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tombs.forgotten
}

// bury makes the tombstone of an item that is gone. Older ones give it room.
func (s *Store) bury(n name, version uint64, now int64) {
	s.exhume(n)
	t, cost := &s.tombs, costOfTombstone(n)
	for t.bytes+cost > t.max || s.used+cost > s.limit() {
		if t.oldest == nil {
			t.forgotten = max(t.forgotten, version)
			return
		}
		s.dropOldest()
	}
	n = name{s.nameOf(n.namespace), strings.Clone(n.key)}
	due := (now + int64(store.RequestMemory) + tombRound - 1) / tombRound * tombRound
	t.add(&tombstone{name: n, version: version, due: due}, s.slotOf(n))
	s.used += cost
	s.wakeAt(due)
}

// exhume removes the tombstone of a name, if there is one.
func (s *Store) exhume(n name) {
	if d := s.tombs.named[n]; d != nil {
		s.dropTombstone(d)
	}
}

func (s *Store) dropTombstone(d *tombstone) {
	s.tombs.remove(d, s.slotOf(d.name))
	s.used -= costOfTombstone(d.name)
}

func (s *Store) dropOldest() {
	d := s.tombs.oldest
	s.tombs.forgotten = max(s.tombs.forgotten, d.version)
	s.dropTombstone(d)
}

// forgetTombstones drops a batch of those that are past their time, and returns when
// there will be others, 0 for never.
func (s *Store) forgetTombstones(now int64) (next int64) {
	for n := 0; n < batch && s.tombs.oldest != nil && s.tombs.oldest.due <= now; n++ {
		s.dropOldest()
	}
	if s.tombs.oldest == nil {
		return 0
	}
	return s.tombs.oldest.due
}

// nameOf returns the bytes of a namespace's name that are there already, if any are.
func (s *Store) nameOf(namespace string) string {
	if sp := s.spaces[namespace]; sp != nil {
		return sp.name
	}
	return strings.Clone(namespace)
}

func (s *Store) slotOf(n name) int32 { return s.table.slot(s.table.hash(n)) }
