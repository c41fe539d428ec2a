package memory

import (
	"strconv"
	"testing"
)

// TestSameHash looks into the package because no caller can make hashes collide.
func TestSameHash(t *testing.T) {
	table := newTable(func(n name) uint64 { return uint64(len(n.key)) }, 256)
	var entries []*entry
	for _, ns := range []string{"a", "b"} {
		for i := range 100 {
			e := &entry{space: &space{name: ns}, key: strconv.Itoa(i)}
			entries = append(entries, e)
			table.add(e)
		}
	}
	for i, e := range entries {
		if got := table.find(e.name()); got != e {
			t.Fatalf("find(%v): got %v", e.name(), got)
		}
		if i%2 == 0 {
			table.remove(e)
		}
	}
	for i, e := range entries {
		if got := table.find(e.name()); (got == e) != (i%2 == 1) {
			t.Fatalf("find(%v) after removing each second: got %v", e.name(), got)
		}
		if i%2 == 0 {
			table.add(e)
		}
	}
	for _, e := range entries {
		if got := table.find(e.name()); got != e {
			t.Fatalf("find(%v) after adding it again: got %v", e.name(), got)
		}
	}
}
