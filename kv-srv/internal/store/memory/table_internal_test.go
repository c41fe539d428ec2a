package memory

import (
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// These tests look into the package because no caller can make hashes collide, nor ask the
// table alone.

func newEntry(namespace, key string) *entry { return &entry{space: &space{name: namespace}, key: key} }

// TestTable: a table has what was added and not removed, whatever the hash. It has no more
// buckets than it needs.
func TestTable(t *testing.T) {
	good := randomHash()
	hashes := map[string]func(name) uint64{
		"good":     good,
		"length":   func(n name) uint64 { return uint64(len(n.key)) },
		"constant": func(name) uint64 { return 0 },
		"one tag":  func(n name) uint64 { return good(n) &^ (0xff << 56) },
		"one home": func(n name) uint64 { return good(n) &^ (1<<56 - 1<<24) },
	}
	for what, hash := range hashes {
		t.Run(what, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				table, has := newTable(hash, rapid.SampledFrom([]int{1, 3, 4}).Draw(t, "shards")), map[name]*entry{}
				add := func(t *rapid.T) {
					n := name{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), strconv.Itoa(rapid.IntRange(0, 99).Draw(t, "key"))}
					if has[n] == nil {
						has[n] = newEntry(n.namespace, n.key)
						table.add(has[n])
					}
				}
				t.Repeat(map[string]func(*rapid.T){
					"add": add,
					"add many": func(t *rapid.T) {
						for range 30 {
							add(t)
						}
					},
					"remove": func(*rapid.T) { table.removeSome(has, 1) },
					"remove many": func(t *rapid.T) {
						table.removeSome(has, rapid.IntRange(1, 150).Draw(t, "entries"))
					},
					"": func(t *rapid.T) { table.check(t, has) },
				})
			})
		})
	}
}

func (t *table) removeSome(has map[name]*entry, most int) {
	for n, e := range has {
		if most--; most < 0 {
			return
		}
		delete(has, n)
		t.remove(e)
	}
}

// check compares the table with what it should have.
func (t *table) check(rt *rapid.T, has map[name]*entry) {
	keys, found := make([]string, 100), make([]*entry, 100)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	for _, ns := range []string{"a", "b", "c"} {
		t.findAll(ns, keys, found)
		for i, key := range keys {
			n := name{ns, key}
			if one := t.find(n); one != has[n] || found[i] != has[n] {
				rt.Fatalf("%v: find has %v, findAll %v, want %v", n, one, found[i], has[n])
			}
		}
	}
	all := 0
	for i := range t.shards {
		sh := &t.shards[i]
		n := 0
		sh.each(func(e *entry) {
			n++
			if has[e.name()] != e || int(e.slot) != i {
				rt.Fatalf("shard %d has %v", i, e.name())
			}
		})
		if n != sh.len() || sh.width() > max(1, n/fewest) || n > most*max(sh.width(), 1) {
			rt.Fatalf("%d entries, counted as %d, in %d buckets", n, sh.len(), sh.width())
		}
		if got := len(sh.some(3)); got != min(n, 3) {
			rt.Fatalf("got %d of %d entries", got, n)
		}
		all += n
	}
	if all != len(has) {
		rt.Fatalf("%d entries, want %d", all, len(has))
	}
}

// TestTableIsReadWhileItChanges: who looks for what stays finds it, while others come and go
// around it. The race detector watches.
func TestTableIsReadWhileItChanges(t *testing.T) {
	good := randomHash()
	table := newTable(func(n name) uint64 { return good(n) & (0x3<<56 | 0xf<<24) }, 2) // tags and places are few
	var stay []*entry
	for i := range 40 {
		stay = append(stay, newEntry("stay", strconv.Itoa(i)))
		table.add(stay[i])
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				e := stay[i%len(stay)]
				if got := table.find(e.name()); got != e {
					t.Errorf("%v: got %v", e.name(), got)
					return
				}
				table.find(name{"go", strconv.Itoa(i % 300)})
			}
		})
	}
	for range 100 {
		var leave []*entry
		for i := range 300 {
			leave = append(leave, newEntry("go", strconv.Itoa(i)))
			table.add(leave[i])
		}
		for _, e := range leave {
			table.remove(e)
		}
	}
	close(done)
	readers.Wait()
}
