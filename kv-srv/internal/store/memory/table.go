package memory

import "hash/maphash"

// shards is how many a table has that is no ring's. A shard that grows is copied while all
// writers wait.
const shards = 256

// table finds entries by namespace and key. Any number of goroutines may find, without a
// lock; one at a time may add and remove.
type table struct {
	hash   func(name) uint64
	shards []shard
	mask   uint64 // len(shards)-1 where that is a power of two, else 0
}

type name struct{ namespace, key string }

// newTable returns an empty table of n shards. The hash may be any function.
func newTable(hash func(name) uint64, n int) table {
	t := table{hash: hash, shards: make([]shard, n)}
	if n&(n-1) == 0 {
		t.mask = uint64(max(n-1, 0))
	}
	return t
}

// randomHash returns a hash that nobody outside can foresee.
func randomHash() func(name) uint64 {
	seed := maphash.MakeSeed()
	return func(n name) uint64 { return maphash.Comparable(seed, n) }
}

func (e *entry) name() name { return name{e.space.name, e.key} }

func (e *entry) is(n name) bool { return e.key == n.key && e.space.name == n.namespace }

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
	return t.shards[t.slot(hash)].find(hash, n)
}

// findAll finds the entries of some keys of a namespace. All wait for the memory of the
// shards together, and then for that of the entries.
func (t *table) findAll(namespace string, keys []string, found []*entry) {
	for i, key := range keys {
		hash := t.hash(name{namespace, key})
		found[i] = t.shards[t.slot(hash)].guess(hash)
	}
	for i, key := range keys {
		if n := (name{namespace, key}); found[i] == nil || !found[i].is(n) {
			found[i] = t.find(n)
		}
	}
}

// add adds an entry whose name is not there, and tells it its slot.
func (t *table) add(e *entry) {
	hash := t.hash(e.name())
	e.slot = t.slot(hash)
	t.shards[e.slot].add(hash, e, t.hash)
}

func (t *table) remove(e *entry) {
	t.shards[e.slot].remove(t.hash(e.name()), e, t.hash)
}
