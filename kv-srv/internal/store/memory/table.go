package memory

import (
	"hash/maphash"
	"sync"
)

const shards = 256

// table finds entries by name. Any number of goroutines may find; one at a time may
// add and remove.
type table struct {
	seed   maphash.Seed
	shards *[shards]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[name]*entry
	_       [32]byte // a cache line of its own
}

type name struct{ namespace, key string }

func newTable() table {
	return table{seed: maphash.MakeSeed(), shards: new([shards]shard)}
}

func (t table) shard(key string) *shard {
	return &t.shards[maphash.String(t.seed, key)%shards]
}

// find returns nil for a name that is not there.
func (t table) find(namespace, key string) *entry {
	sh := t.shard(key)
	sh.mu.RLock()
	e := sh.entries[name{namespace, key}]
	sh.mu.RUnlock()
	return e
}

func (t table) add(e *entry) {
	sh := t.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries == nil {
		sh.entries = make(map[name]*entry)
	}
	sh.entries[name{e.space.name, e.key}] = e
}

func (t table) remove(e *entry) {
	sh := t.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.entries, name{e.space.name, e.key})
}
