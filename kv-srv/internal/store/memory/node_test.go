package memory_test

import (
	"cmp"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

const slots = 12 // no power of two

func hash(namespace, key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(namespace + "\x00" + key))
	return h.Sum64()
}

func slotOf(namespace, key string) int { return int(hash(namespace, key) % slots) }

func all(int) bool { return true }

// openNode returns a store with Slots.
func openNode(t testing.TB, opts memory.Options) *memory.Store {
	t.Helper()
	opts.Slots, opts.Hash = slots, hash
	return open(t, opts)
}

// TestSlots: the part of a ring that is the whole ring is a store.
func TestSlots(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		return memory.Open(memory.Options{Slots: slots, Hash: hash})
	})
}

func put(key string, version uint64) memory.Copy {
	return memory.Copy{
		Namespace: "ns",
		Item:      store.Item{Key: key, Value: []byte(key), Version: version, Updated: time.Unix(1, 0)},
	}
}

// ending returns a copy of an item that has passed its time after untilEnded, and is not
// removed yet.
func ending(key string, version uint64) memory.Copy {
	c := put(key, version)
	c.Item.Expires = time.Now().Truncate(time.Second).Add(untilEnded - 5*time.Millisecond)
	return c
}

// untilEnded ends between two looks of the sweeper, where time begins with a second.
const untilEnded = 10*time.Second + 10*time.Millisecond

func gone(key string, version uint64) memory.Copy {
	return memory.Copy{Namespace: "ns", Item: store.Item{Key: key, Version: version}, Gone: true}
}

func mustApply(t testing.TB, s *memory.Store, c memory.Copy, want bool) {
	t.Helper()
	if applied, err := s.Apply(c); err != nil || applied != want {
		t.Fatalf("Apply(%q, version %d): got %t, %v, want %t", c.Item.Key, c.Item.Version, applied, err, want)
	}
}

// copies returns what a store holds, ordered by keys.
func copies(s *memory.Store) []memory.Copy {
	var found []memory.Copy
	for slot := range slots {
		found = append(found, s.Slot(slot)...)
	}
	slices.SortFunc(found, func(a, b memory.Copy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Item.Key, b.Item.Key))
	})
	return found
}

// write does what the owner of a key does for a write.
func write(t testing.TB, s *memory.Store, c memory.Copy) uint64 {
	t.Helper()
	version := s.Begin()
	defer s.End(version)
	c.Item.Version = version
	mustApply(t, s, c, true)
	return version
}
