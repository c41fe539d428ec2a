// Package near keeps items beside those who read them for as long as a watch of the
// service tells of every change.
//
// What a caller has been told is never undone: of one key, versions never go back, and
// nothing comes back that was read as not there or written over. Beside the watch, which
// may be late, silent or broken, Bound holds.
package near

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Bound is how long an item may be returned after the fetch was begun that it came by:
// it is no later than that by which a change is seen, whatever the watch does. An item
// that a watch brings in its place gets no more.
const Bound = 30 * time.Second

// Item is that of kvclient.
type Item struct {
	Key      string
	Value    []byte
	Version  uint64
	Updated  time.Time
	Expires  time.Time // zero: never
	Metadata map[string]string
}

// clone shares nothing with i, and is no larger than it must be: its value has no room.
func (i Item) clone() Item {
	i.Key, i.Value, i.Metadata = strings.Clone(i.Key), slices.Clip(bytes.Clone(i.Value)), maps.Clone(i.Metadata)
	return i
}

// What is taken beside the bytes of keys, values and metadata, about: by an item, by
// metadata, and by each pair of it.
const (
	overheadItem     = 280
	overheadMetadata = 256
	overheadPair     = 80
)

func (i Item) size() uint32 {
	n := overheadItem + len(i.Key) + len(i.Value)
	if len(i.Metadata) > 0 {
		n += overheadMetadata
	}
	for k, v := range i.Metadata {
		n += overheadPair + len(k) + len(v)
	}
	return uint32(n) //nolint:gosec // an item has little more than 1 MiB
}

// entry is an item that is kept. It is not changed.
type entry struct {
	Item

	since time.Time // when the fetch was begun
	end   int64     // of the wall clock, in nanoseconds
	size  uint32
}

// newEntry keeps an item no longer than Bound by any clock: the monotonic one stands
// still with a machine that sleeps, and the other one may be set back.
func newEntry(i Item, since time.Time) *entry {
	i = i.clone()
	end := since.Add(Bound)
	if !i.Expires.IsZero() && i.Expires.Before(end.Round(0)) {
		end = i.Expires
	}
	return &entry{Item: i, since: since, end: end.UnixNano(), size: i.size()}
}

func (e *entry) over(now time.Time) bool {
	return now.UnixNano() >= e.end || now.Sub(e.since) >= Bound
}

// Cache keeps items. Its methods may be called at once; those of nil do nothing, and find
// nothing. It starts no goroutine.
//
// It is otter's, whose maintenance runs in the calls themselves here. What otter evicts is
// no change: the rules of this package do without what they do not find.
type Cache struct {
	items *otter.Cache[string, *entry]
	live  atomic.Bool // a watch tells of every change

	hits            [16]count // by version, so that not all callers write to one place
	misses, emptied atomic.Int64

	mu      sync.Mutex          // who holds it may change items and live
	watch   *Watch              // that may make it live; nil: none
	pending map[string]*pending // keys that are being fetched
}

// count has a cache line of its own.
type count struct {
	atomic.Int64

	_ [56]byte
}

// pending is a key that is being fetched.
type pending struct {
	fetches int
	seen    uint64 // the highest version that anyone was told meanwhile
}

// New returns a cache of so many bytes, those of its own structures included, about.
func New(size int64) *Cache {
	c := &Cache{pending: map[string]*pending{}}
	c.items = otter.Must(&otter.Options[string, *entry]{
		MaximumWeight: uint64(max(size, 1)),
		Weigher:       func(_ string, e *entry) uint32 { return e.size },
		Executor:      func(f func()) { f() },
	})
	return c
}

// Get returns an item that is kept. Its value and metadata are those of all who get it:
// nobody may change them. A value that is appended to is copied.
func (c *Cache) Get(key string) (i Item, ok bool) {
	if c == nil {
		return i, false
	}
	var e *entry
	if c.live.Load() {
		e, ok = c.items.GetIfPresent(key)
	}
	if !ok || e.over(time.Now()) {
		c.misses.Add(1)
		return i, false
	}
	c.hits[e.Version%uint64(len(c.hits))].Add(1)
	return e.Item, true
}

// Stats are counts since New, and what is there now.
type Stats struct {
	Hits, Misses, Emptied, Items, Bytes int64
	Live                                bool
}

// Stats returns what the cache has done.
func (c *Cache) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Misses:  c.misses.Load(),
		Emptied: c.emptied.Load(),
		Items:   int64(c.items.EstimatedSize()),
		Bytes:   int64(c.items.WeightedSize()), //nolint:gosec // no more than an int64 of New
		Live:    c.live.Load(),
	}
	for i := range c.hits {
		s.Hits += c.hits[i].Load()
	}
	return s
}

// Told takes notice that a caller was told of a version of a key: no older one is kept.
func (c *Cache) Told(key string, version uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told(key, version)
}

func (c *Cache) told(key string, version uint64) {
	c.see(key, version)
	if e, ok := c.kept(key); ok && e.Version < version {
		c.items.Invalidate(key)
	}
}

// see keeps older answers out that are under way.
func (c *Cache) see(key string, version uint64) {
	if p := c.pending[key]; p != nil {
		p.seen = max(p.seen, version)
	}
}

// kept does not count as a use.
func (c *Cache) kept(key string) (*entry, bool) {
	e, ok := c.items.GetEntryQuietly(key)
	return e.Value, ok
}

// Drop forgets a key, and what is being fetched of it: somebody was told that it is not
// there, or may have written it.
func (c *Cache) Drop(keys ...string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		delete(c.pending, key)
		c.items.Invalidate(key)
	}
}

// DropPrefix does what Drop does for all keys that begin with prefix.
func (c *Cache) DropPrefix(prefix string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.pending, func(key string, _ *pending) bool { return strings.HasPrefix(key, prefix) })
	for key := range c.items.Keys() {
		if strings.HasPrefix(key, prefix) {
			c.items.Invalidate(key)
		}
	}
}
