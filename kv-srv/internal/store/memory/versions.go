package memory

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// versions are what changes are ordered by. In a store of its own they count on, under
// Store.mu. In a store with Slots they follow the clock and what other nodes know, and
// one is under way until its change is in the history.
type versions struct {
	last atomic.Uint64 // last known; with Slots it changes under mu

	tag atomic.Uint64 // the low bits of all versions from Begin

	mu       sync.Mutex // held for moments, after all others
	underWay []uint64   // ascending
	waiting  []waiter   // ascending by version
}

// waiter is a feed that is to read when no version up to that one is under way.
type waiter struct {
	version uint64
	feed    *feed
}

// tags is how many nodes of a ring have versions of their own: those of a tag.
const tags = 1 << 8

// versionAt is the first version of a time, in a store with Slots.
func versionAt(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) * tags }

// SetTag has Begin return versions that have this remainder by 256, which no other node
// of the ring has at the time.
func (s *Store) SetTag(tag uint8) { s.versions.tag.Store(uint64(tag)) }

// Begin allocates a version: one after the last known, or of now, 256 of which are in a
// microsecond, if that is larger. No Feed passes it until End. It is for a store with
// Slots, as are End and Advance.
func (s *Store) Begin() uint64 {
	v := &s.versions
	v.mu.Lock()
	defer v.mu.Unlock()
	least := max(v.last.Load()+1, versionAt(s.opts.Now()))
	version := least - least%tags + v.tag.Load()
	if version < least {
		version += tags
	}
	v.last.Store(version)
	if v.underWay = append(v.underWay, version); len(v.underWay) == 1 {
		v.tell()
	}
	return version
}

// End says that the change of a version from Begin was applied, or never will be. Other
// versions are ignored.
func (s *Store) End(version uint64) {
	v := &s.versions
	v.mu.Lock()
	defer v.mu.Unlock()
	i, found := slices.BinarySearch(v.underWay, version)
	if !found {
		return
	}
	v.underWay = slices.Delete(v.underWay, i, i+1)
	if i == 0 {
		v.tell()
	}
}

// Version returns the last known version: of a change, from Begin or from Advance.
func (s *Store) Version() uint64 { return s.versions.last.Load() }

// Advance sees to it that Begin returns larger versions than this one.
func (s *Store) Advance(version uint64) {
	v := &s.versions
	if version <= v.last.Load() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last.Store(max(version, v.last.Load()))
	v.tell()
}

// mark is the watermark: no version up to it is under way, nor ever will be. It never
// goes back.
func (v *versions) mark() uint64 {
	if len(v.underWay) > 0 {
		return v.underWay[0] - 1
	}
	return v.last.Load()
}

// tell signals the feeds that wait for a version which the watermark has reached.
func (v *versions) tell() {
	if len(v.waiting) == 0 {
		return
	}
	n, mark := 0, v.mark()
	for ; n < len(v.waiting) && v.waiting[n].version <= mark; n++ {
		v.waiting[n].feed.awaited = 0
		v.waiting[n].feed.signal()
	}
	v.waiting = slices.Delete(v.waiting, 0, n)
}

func (v *versions) watermark() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.mark()
}

// await signals a feed once the watermark has reached a version, or an earlier one that
// the feed awaits, and returns where it is.
func (v *versions) await(f *feed, version uint64) (mark uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch mark = v.mark(); {
	case version <= mark:
		f.signal()
	case f.awaited == 0 || f.awaited > version:
		v.remove(f)
		i, _ := slices.BinarySearchFunc(v.waiting, version+1, compareWaiter)
		v.waiting = slices.Insert(v.waiting, i, waiter{version, f})
		f.awaited = version
	}
	return mark
}

// leave ends the waiting of a feed.
func (v *versions) leave(f *feed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remove(f)
}

func (v *versions) remove(f *feed) {
	if f.awaited == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(v.waiting, f.awaited, compareWaiter)
	for v.waiting[i].feed != f {
		i++
	}
	v.waiting = slices.Delete(v.waiting, i, i+1)
	f.awaited = 0
}

func compareWaiter(w waiter, version uint64) int { return cmp.Compare(w.version, version) }

// allocate returns the version of a change that is made under Store.mu, and is followed
// by settleVersion when the change is in the history.
func (s *Store) allocate() uint64 {
	if s.opts.Slots > 0 {
		return s.Begin()
	}
	return s.versions.last.Add(1)
}

func (s *Store) settleVersion(version uint64) {
	if s.opts.Slots > 0 {
		s.End(version)
	}
}

// Watermark is a version up to which nothing is under way.
func (s *Store) Watermark() uint64 { return s.versions.watermark() }
