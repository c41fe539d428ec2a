package memory

import (
	"hash/maphash"
	"sync"
)

const shards = 256

// table finds entries by namespace and key. Any number of goroutines may find; one at a
// time may add and remove.
type table struct {
	hash   func(name) uint64
	shards *[shards]shard
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

// newTable returns an empty table. The hash may be any function.
func newTable(hash func(name) uint64) table {
	t := table{hash: hash, shards: new([shards]shard)}
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

// find returns nil for a name that is not there.
func (t table) find(n name) *entry {
	hash := t.hash(n)
	sh := &t.shards[hash%shards]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if e := sh.entries[hash]; e != nil && e.name() == n {
		return e
	}
	return sh.more[n]
}

// add adds an entry whose name is not there.
func (t table) add(e *entry) {
	hash := t.hash(e.name())
	sh := &t.shards[hash%shards]
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

func (t table) remove(e *entry) {
	hash := t.hash(e.name())
	sh := &t.shards[hash%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[hash] == e {
		delete(sh.entries, hash)
	} else {
		delete(sh.more, e.name())
	}
}
