package memory

import (
	"math/bits"
	"sync/atomic"
)

// shard is a part of a table: a hash table of buckets of a cache line each, as F14 of
// Facebook's Folly has it (https://engineering.fb.com/2019/04/25/developer-tools/f14/), but
// read without a lock. An entry is in the bucket of its hash or, if that was full, in one
// of the next, and all that it was too much for count it. It never moves but to other
// buckets, which replace all of these: who still reads the old ones began before.
type shard struct {
	buckets atomic.Pointer[[]bucket] // a power of two of them; nil: there is no entry
	entries atomic.Int64
}

// bucket tells by a byte of a hash which of its entries may be looked for.
type bucket struct {
	tags    atomic.Uint64 // one in each byte, 0 for no entry; in the highest how many were too much
	entries [inBucket]atomic.Pointer[entry]
}

const (
	inBucket = 7
	many     = 0xff // were too much, or more: nobody counts them any more

	// A shard has so many entries a bucket, but for the first.
	fewest = 2
	most   = 5

	ones  = 0x01010101010101
	highs = 0x80808080808080
)

// tag is the byte of a hash by which a bucket tells its entries: never 0.
func tag(hash uint64) uint64 { return hash>>56 | 1 }

// home is where buckets begin to look, in those of which there are mask+1. The lowest bits
// have chosen the shard.
func home(hash uint64, mask int) int { return int(hash>>24) & mask }

// like returns the tags that may be this one, by their highest bits.
func like(tags, tag uint64) uint64 {
	x := (tags ^ tag*ones) & (1<<56 - 1)
	return (x - ones) & ^x & highs
}

func overflown(tags uint64) uint64 { return tags >> 56 }

// find returns nil for a name that is not there.
func (sh *shard) find(hash uint64, n name) *entry {
	p := sh.buckets.Load()
	if p == nil {
		return nil
	}
	all := *p
	for i, left := home(hash, len(all)-1), len(all); left > 0; i, left = (i+1)&(len(all)-1), left-1 {
		tags := all[i].tags.Load()
		for found := like(tags, tag(hash)); found != 0; found &= found - 1 {
			if e := all[i].entries[bits.TrailingZeros64(found)/8].Load(); e != nil && e.is(n) {
				return e
			}
		}
		if overflown(tags) == 0 {
			return nil
		}
	}
	return nil
}

// guess returns the entry of a hash, most likely, without a look at it, or nil.
func (sh *shard) guess(hash uint64) *entry {
	p := sh.buckets.Load()
	if p == nil {
		return nil
	}
	b := &(*p)[home(hash, len(*p)-1)]
	if found := like(b.tags.Load(), tag(hash)); found != 0 {
		return b.entries[bits.TrailingZeros64(found)/8].Load()
	}
	return nil
}

// add adds an entry that is not there. The hash is that of rehash.
func (sh *shard) add(hash uint64, e *entry, rehash func(name) uint64) {
	n := sh.len() + 1
	if now := sh.width(); n > most*now {
		sh.resize(max(2*now, 1), rehash)
	}
	insert(*sh.buckets.Load(), hash, e)
	sh.entries.Store(int64(n))
}

// insert puts an entry where there is room for it.
func insert(all []bucket, hash uint64, e *entry) {
	for i := home(hash, len(all)-1); ; i = (i + 1) & (len(all) - 1) {
		b := &all[i]
		tags := b.tags.Load()
		for j := range inBucket {
			if tags>>(8*j)&0xff == 0 {
				b.entries[j].Store(e)
				b.tags.Store(tags | tag(hash)<<(8*j))
				return
			}
		}
		if overflown(tags) < many {
			b.tags.Store(tags + 1<<56)
		}
	}
}

// remove removes an entry that is there.
func (sh *shard) remove(hash uint64, e *entry, rehash func(name) uint64) {
	n := sh.len() - 1
	sh.entries.Store(int64(n))
	if n == 0 {
		sh.buckets.Store(nil)
		return
	}
	all := *sh.buckets.Load()
	for i := home(hash, len(all)-1); !all[i].take(e); i = (i + 1) & (len(all) - 1) {
		if tags := all[i].tags.Load(); overflown(tags) < many {
			all[i].tags.Store(tags - 1<<56)
		}
	}
	if n < fewest*len(all) && len(all) > 1 {
		sh.resize(len(all)/2, rehash)
	}
}

// take removes an entry, or returns false for one that is not here.
func (b *bucket) take(e *entry) bool {
	for j := range inBucket {
		if b.entries[j].Load() == e {
			b.tags.Store(b.tags.Load() &^ (0xff << (8 * j)))
			b.entries[j].Store(nil)
			return true
		}
	}
	return false
}

// resize copies all entries into n new buckets.
func (sh *shard) resize(n int, rehash func(name) uint64) {
	all := make([]bucket, n)
	sh.each(func(e *entry) { insert(all, rehash(e.name()), e) })
	sh.buckets.Store(&all)
}

// len may be called at any time. The other methods below are called while nobody adds or
// removes.
func (sh *shard) len() int { return int(sh.entries.Load()) }

func (sh *shard) width() int {
	if p := sh.buckets.Load(); p != nil {
		return len(*p)
	}
	return 0
}

// each calls yield with all entries.
func (sh *shard) each(yield func(*entry)) {
	sh.from(0, func(e *entry) bool {
		yield(e)
		return true
	})
}

// from calls yield with all entries, those of any bucket first, until it returns false.
func (sh *shard) from(begin int, yield func(*entry) bool) {
	n := sh.width()
	for i := range n {
		b := &(*sh.buckets.Load())[(begin+i)&(n-1)]
		for j := range inBucket {
			if e := b.entries[j].Load(); e != nil && !yield(e) {
				return
			}
		}
	}
}

// some returns at most so many entries.
func (sh *shard) some(most int) []*entry {
	found := make([]*entry, 0, min(sh.len(), most))
	sh.from(0, func(e *entry) bool {
		if len(found) < most {
			found = append(found, e)
		}
		return len(found) < most
	})
	return found
}
