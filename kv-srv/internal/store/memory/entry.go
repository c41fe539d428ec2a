package memory

import (
	"sync/atomic"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// entry is the place of one key, from the write that makes it to its removal. Readers
// use rec and seen without a lock; the rest changes under Store.mu.
type entry struct {
	space *space
	key   string
	rec   atomic.Pointer[record] // once the key is removed, the last one
	seen  atomic.Uint64          // Store.version at the last read or write
	due   int32                  // index in Store.expiries; none: -1
	slot  int32                  // index of its shard
}

// record is what one write stored. It never changes.
type record struct {
	value    []byte
	metadata map[string]string
	version  uint64
	updated  int64
	expires  int64 // 0: never
}

func (r *record) expired(now int64) bool { return r.expires != 0 && r.expires <= now }

// size is what a record under a key counts towards a quota: see store.Item.Size.
func (r *record) size(key string) int64 {
	return int64(store.Item{Key: key, Value: r.value, Metadata: r.metadata}.Size())
}

func (r *record) item(key string) store.Item {
	item := store.Item{
		Key:      key,
		Value:    r.value,
		Version:  r.version,
		Updated:  time.Unix(0, r.updated),
		Metadata: r.metadata,
	}
	if r.expires != 0 {
		item.Expires = time.Unix(0, r.expires)
	}
	return item
}

// see notes that the entry was used at a version. It spares the cache line of an entry
// that many read between two writes.
func (e *entry) see(version uint64) {
	if e.seen.Load() != version {
		e.seen.Store(version)
	}
}

// narrow is a number of which memory never holds 2^31.
func narrow[T ~int](n T) int32 { return int32(n) }

// expiry is when an item ends that is written now; never: 0.
func expiry(now int64, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return now + int64(ttl)
}
