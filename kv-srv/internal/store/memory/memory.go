// Package memory keeps items in the memory of one process, up to a bound.
package memory

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/btree"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// DefaultMaxBytes bounds a store whose Options name no bound.
const DefaultMaxBytes = 256 << 20

// Options say how a store behaves. The zero value is a store of DefaultMaxBytes that
// refuses writes when it is full.
type Options struct {
	// MaxBytes bounds the memory of all namespaces together; 0: DefaultMaxBytes. An
	// eighth of it is kept for the history that watchers read; items, namespaces and
	// remembered request IDs share the rest, request IDs a quarter of the whole at
	// most. What each costs stands in cost.go. An item or a change that is larger
	// than its share never fits. The process takes more: what the garbage collector
	// has not reclaimed yet (see GOGC), and what callers hold.
	MaxBytes int64

	// Evict makes room in a full store. Of a sample of 16 items, as in Redis, the one
	// that was read or written least recently goes, never the one being written.
	// Recency is counted in writes: reads between two writes are equally recent.
	// Without Evict, a write that finds no room returns store.ErrFull, and nothing
	// is lost. Either way expired items and forgotten request IDs go first.
	Evict bool

	// Quotas are those of the namespaces; nil: there are none. Expired items go before
	// a write is refused for one, others do not.
	Quotas store.Quotas

	// Progress is how often a watch emits store.Progress; 0: every 30 seconds.
	Progress time.Duration

	// Now is the clock, which stands after 1970; nil: time.Now.
	Now func() time.Time

	// Slots makes the store the part of a ring that one node keeps: all keys are
	// divided into so many slots. 0: it is a store of its own, in which the methods
	// that are not those of store.Store, but for Stats, must not be called.
	Slots int

	// Hash comes with Slots, and is the same on all nodes: a key is in the slot of its
	// Hash modulo Slots. All of its 64 bits tell names apart: see Digest.
	Hash func(namespace, key string) uint64
}

// Store is a store.Store in memory.
//
// Get takes no lock: overwriting swaps a pointer. All writers share one mutex, and List waits
// for them, so a page is a snapshot and changes have one order.
type Store struct {
	opts  Options
	table table

	// versions start at the time in microseconds: as long as an earlier life of this
	// process made fewer than a million changes a second on average, its versions are
	// smaller, and a watch from one of them is told that it missed something.
	versions versions

	mu        sync.RWMutex
	spaces    map[string]*space
	inhabited *btree.BTreeG[*space] // spaces with items, ordered by name
	deserted  map[*space]struct{}   // spaces without items and watchers
	nodes     *btree.FreeListG[*entry]
	expiries  expiries
	wake      int64 // when the sweeper looks next; 0: not before it is told
	requests  requests
	tombs     tombstones // of a store with Slots
	used      int64      // bytes of items, namespaces, request IDs and tombstones
	held      int64      // of these, bytes of items
	logged    int64      // bytes of histories
	items     int
	hand      int    // the shard that gave the last sample
	turn      int    // how many samples there were
	floor     uint64 // changes of dropped namespaces up to it are gone

	evicted, expired, lagging atomic.Uint64
	watchers                  atomic.Int64

	earlier chan struct{} // tells the sweeper that wake is earlier than it knows
	done    chan struct{} // closed by Close
	swept   chan struct{} // closed when the sweeper ended
}

var _ store.Store = (*Store)(nil)

// Open returns an empty store. It runs one goroutine, which removes what is expired,
// sleeps while nothing is, and ends with Close.
func Open(opts Options) *Store {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.Progress <= 0 {
		opts.Progress = watching.Period
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{
		opts:      opts,
		table:     tableOf(opts),
		spaces:    make(map[string]*space),
		inhabited: btree.NewG(treeDegree, func(a, b *space) bool { return a.name < b.name }),
		deserted:  make(map[*space]struct{}),
		nodes:     btree.NewFreeListG[*entry](btree.DefaultFreeListSize),
		requests:  requests{max: opts.MaxBytes / 4, slots: max(opts.Slots, 1)},
		floor:     firstVersion(opts),
		earlier:   make(chan struct{}, 1),
		done:      make(chan struct{}),
		swept:     make(chan struct{}),
	}
	s.versions.last.Store(s.floor)
	if opts.Slots > 0 {
		s.tombs = newTombstones(opts)
	}
	go s.sweep()
	return s
}

// firstVersion is where versions begin.
func firstVersion(o Options) uint64 {
	if o.Slots > 0 {
		return max(versionAt(o.Now()), 1)
	}
	return uint64(max(o.Now().UnixMicro(), 1))
}

func tableOf(opts Options) table {
	if opts.Slots == 0 {
		return newTable(randomHash(), shards)
	}
	return newTable(func(n name) uint64 { return opts.Hash(n.namespace, n.key) }, opts.Slots)
}

// Ready returns nil: memory is always there.
func (s *Store) Ready(context.Context) error { return nil }

// Close ends the watches and the removal of expired items.
func (s *Store) Close() error {
	close(s.done)
	<-s.swept
	return nil
}

// now is in nanoseconds since 1970, as all times are kept.
func (s *Store) now() int64 { return s.opts.Now().UnixNano() }

// Stats is what a store holds and what became of it since Open.
type Stats struct {
	Namespaces int // with empty ones that are watched, or whose history is kept
	Items      int // with those that are expired but not removed yet
	Bytes      int64
	MaxBytes   int64
	Evicted    uint64 // items that gave their place to others
	Expired    uint64 // items removed after their time
	Watchers   int
	Lagging    uint64 // watches that ended because they read too slowly
}

// Stats returns the current figures.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{
		Namespaces: len(s.spaces),
		Items:      s.items,
		Bytes:      s.used + s.logged,
		MaxBytes:   s.opts.MaxBytes,
		Evicted:    s.evicted.Load(),
		Expired:    s.expired.Load(),
		Watchers:   int(s.watchers.Load()),
		Lagging:    s.lagging.Load(),
	}
}
