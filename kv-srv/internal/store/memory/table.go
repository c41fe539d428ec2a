package memory

import (
	"hash/maphash"
	"sync"
)

// shards is how many a table has that is no ring's.
const shards = 256

// table finds entries by namespace and key. Any number of goroutines may find; one at a
// time may add and remove.
type table struct {
	hash   func(name) uint64
	shards []shard
	mask   uint64 // len(shards)-1 where that is a power of two, else 0
}

// shard finds entries by the hash of their names, which takes half the memory and fewer
// cache lines than by the names. The few whose hash is taken are in more.
type shard struct {
	mu      sync.RWMutex
	entries map[uint64]*entry
	more    map[name]*entry
	_       [24]byte // a cache line of its own
}

type name struct{ namespace, key string }

// newTable returns an empty table of n shards. The hash may be any function.
func newTable(hash func(name) uint64, n int) table {
	t := table{hash: hash, shards: make([]shard, n)}
	if n&(n-1) == 0 {
		t.mask = uint64(max(n-1, 0))
	}
	for i := range t.shards {
		t.shards[i].entries = make(map[uint64]*entry)
	}
	return t
}

// randomHash returns a hash that nobody outside can foresee.
func randomHash() func(name) uint64 {
	seed := maphash.MakeSeed()
	return func(n name) uint64 { return maphash.Comparable(seed, n) }
}

func (e *entry) name() name { return name{e.space.name, e.key} }

// slot is the index of the shard of a hash: the hash modulo their number.
func (t *table) slot(hash uint64) int32 {
	if t.mask != 0 {
		return int32(hash & t.mask) //nolint:gosec // an index, of fewer than 2^31
	}
	return int32(hash % uint64(len(t.shards))) //nolint:gosec // as above
}

// find returns nil for a name that is not there.
func (t *table) find(n name) *entry {
	hash := t.hash(n)
	sh := &t.shards[t.slot(hash)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if e := sh.entries[hash]; e != nil && e.name() == n {
		return e
	}
	return sh.more[n]
}

// add adds an entry whose name is not there, and tells it its slot.
func (t *table) add(e *entry) {
	hash := t.hash(e.name())
	e.slot = t.slot(hash)
	sh := &t.shards[e.slot]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[hash] == nil {
		sh.entries[hash] = e
		return
	}
	if sh.more == nil {
		sh.more = make(map[name]*entry)
	}
	sh.more[e.name()] = e
}

func (t *table) remove(e *entry) {
	hash := t.hash(e.name())
	sh := &t.shards[t.slot(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[hash] == e {
		delete(sh.entries, hash)
	} else {
		delete(sh.more, e.name())
	}
}

// The methods of a shard are called under its lock, or that of its Store.

func (sh *shard) len() int { return len(sh.entries) + len(sh.more) }

// each calls yield with all entries.
func (sh *shard) each(yield func(*entry)) {
	for _, e := range sh.entries {
		yield(e)
	}
	for _, e := range sh.more {
		yield(e)
	}
}

// some returns at most so many entries.
func (sh *shard) some(most int) []*entry {
	found := make([]*entry, 0, min(sh.len(), most))
	for _, e := range sh.entries {
		if len(found) == most {
			return found
		}
		found = append(found, e)
	}
	for _, e := range sh.more {
		if len(found) == most {
			return found
		}
		found = append(found, e)
	}
	return found
}
