package memory_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func keyOf(i int) string { return fmt.Sprintf("key/%08d", i) }

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCostsAreHonest compares what the store counts with what the heap grows by.
func TestCostsAreHonest(t *testing.T) {
	const n = 30_000
	value := func() []byte { return make([]byte, 100) }
	for _, c := range []struct {
		name string
		n    int
		put  func(s *memory.Store, i int)
	}{
		{"items of 100 bytes", n, func(s *memory.Store, i int) {
			mustPut(t, s, "ns", store.Write{Key: keyOf(i), Value: value()})
		}},
		{"items of 100 bytes at random keys that end", n, func(s *memory.Store, _ int) {
			mustPut(t, s, "ns", store.Write{Key: keyOf(rand.IntN(1e8)), Value: value(), TTL: time.Hour})
		}},
		{"a third more items of 100 bytes", n * 4 / 3, func(s *memory.Store, i int) {
			mustPut(t, s, "ns", store.Write{Key: keyOf(i), Value: value()})
		}},
		{"empty items", n, func(s *memory.Store, i int) {
			mustPut(t, s, "ns", store.Write{Key: keyOf(i)})
		}},
		{"items with metadata", n / 4, func(s *memory.Store, i int) {
			mustPut(t, s, "ns", store.Write{Key: keyOf(i), Metadata: map[string]string{"type": strings.Clone("text/plain")}})
		}},
		{"items with much metadata", n / 8, func(s *memory.Store, i int) {
			m := make(map[string]string)
			for j := range 20 {
				m[fmt.Sprint("name-", j)] = strings.Repeat("x", 20)
			}
			mustPut(t, s, "ns", store.Write{Key: keyOf(i), Metadata: m})
		}},
		{"request IDs", n, func(s *memory.Store, i int) {
			mustPut(t, s, "ns", store.Write{Key: "a", RequestID: keyOf(i)})
		}},
		{"namespaces", n / 16, func(s *memory.Store, i int) {
			mustPut(t, s, keyOf(i), store.Write{Key: "a"})
		}},
		{"changes", 4096, func(s *memory.Store, _ int) {
			mustPut(t, s, "ns", store.Write{Key: strings.Clone("a"), Value: value()})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantHonest(t, open(t, memory.Options{MaxBytes: 1 << 30}), c.n, c.put)
		})
	}
}

// wantHonest does something n times, and compares what the store counts with what the
// heap grows by.
func wantHonest(t *testing.T, s *memory.Store, n int, put func(*memory.Store, int)) {
	t.Helper()
	before, counted := heap(), -s.Stats().Bytes
	for i := range n {
		put(s, i)
	}
	grown := heap() - before
	counted += s.Stats().Bytes
	t.Logf("%d bytes each, counted as %d", grown/int64(n), counted/int64(n))
	if grown > counted {
		t.Errorf("%d bytes take %d", counted, grown)
	}
	if grown < counted/3 { // the history counts again what it shares with items
		t.Errorf("%d bytes are counted, but only %d taken", counted, grown)
	}
	runtime.KeepAlive(s)
}

// TestCostsOfSlotsAreHonest does the same with Slots, whose shards are small, at sizes where
// maps have just grown, and others.
func TestCostsOfSlotsAreHonest(t *testing.T) {
	for _, n := range []int{30_000, 40_000, 60_000} {
		for name, add := range map[string]func(*memory.Store, int){
			"items of 100 bytes": func(s *memory.Store, i int) {
				c := put(keyOf(i), uint64(1+i))
				c.Item.Value = make([]byte, 100)
				mustApply(t, s, c, true)
			},
			"tombstones": func(s *memory.Store, i int) {
				mustApply(t, s, gone(keyOf(i), uint64(1+i)), true)
			},
			"request IDs": func(s *memory.Store, i int) {
				mustApply(t, s, asked(put(keyOf(i), 0), "id"), false)
			},
			"request IDs of one key": func(s *memory.Store, i int) {
				mustApply(t, s, asked(put("a", 0), keyOf(i)), false)
			},
			"request IDs of 500 keys": func(s *memory.Store, i int) {
				mustApply(t, s, asked(put(keyOf(i%500), 0), keyOf(i)), false)
			},
		} {
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				s := open(t, memory.Options{MaxBytes: 1 << 30, Slots: 4096, Hash: hash, Now: newClock().now})
				mustApply(t, s, asked(put("first", 0), "id"), false) // what a period takes is not counted
				wantHonest(t, s, n, add)
			})
		}
	}
}
