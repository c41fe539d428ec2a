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
			s := open(t, memory.Options{MaxBytes: 1 << 30})
			before := heap()
			for i := range c.n {
				c.put(s, i)
			}
			grown, counted := heap()-before, s.Stats().Bytes
			t.Logf("%d bytes each, counted as %d", grown/int64(c.n), counted/int64(c.n))
			if grown > counted {
				t.Errorf("%d bytes take %d", counted, grown)
			}
			if grown < counted/3 { // the history counts again what it shares with items
				t.Errorf("%d bytes are counted, but only %d taken", counted, grown)
			}
			runtime.KeepAlive(s)
		})
	}
}
