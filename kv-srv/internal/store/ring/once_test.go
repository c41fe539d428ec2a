package ring_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
)

// keyOf returns a key that one of some nodes that serve answers for.
func keyOf(t *testing.T, owner *node, all ...*node) string {
	t.Helper()
	var nodes []placement.Node
	for _, n := range all {
		nodes = append(nodes, placement.Node{Name: n.name, Role: placement.Serving})
	}
	table := placement.New(nodes, ring.DefaultReplicas)
	for i := range 1000 {
		key := "key" + strconv.Itoa(i)
		if all[table.Owner[placement.Slot(ns, key)]] == owner {
			return key
		}
	}
	t.Fatal("no such key")
	return ""
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.After(20 * time.Second); !so(); {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestOnce: a write that its owner does again, since the ring has changed meanwhile, does
// not find what it has done itself.
func TestOnce(t *testing.T) {
	w := newWires()
	a, b, c := &node{}, &node{}, &node{}
	var armed atomic.Bool
	start(t, a, w.from(a))
	start(t, b, w.from(b), func(o *ring.Options) {
		o.Memory.Now = func() time.Time {
			if armed.CompareAndSwap(true, false) {
				w.part(b) // it has the write, and its answer does not arrive
			}
			return time.Now()
		}
	})
	introduce(a, b)
	settle(t, a, b)
	start(t, c, w.from(c))
	settle(t, c)
	key := keyOf(t, a, a, b)
	done := make(chan error, 1)
	armed.Store(true)
	go func() {
		_, err := a.Put(t.Context(), ns, store.Write{Key: key, Value: []byte("v"), IfAbsent: true})
		done <- err
	}()
	eventually(t, "the other node has the write", func() bool { return !armed.Load() })
	c.Meet(a.name)
	eventually(t, "the ring has changed", func() bool { return a.Progress().Nodes == 3 })
	w.part()
	if err := <-done; err != nil {
		t.Errorf("the write of a key that was not there: %v", err)
	}
}

// TestResigned: a node that says that it no longer answers does not, also while a promise
// to another one keeps it from changing its view.
func TestResigned(t *testing.T) {
	w := newWires()
	a, b, c := &node{}, &node{}, &node{}
	for _, n := range []*node{a, b, c} {
		start(t, n, w.from(n))
	}
	introduce(a, b, c)
	settle(t, a, b, c)
	key := keyOf(t, a, a, b, c)
	put(t, a, key, "old")
	w.between(b, c)
	eventually(t, "a node is left out", func() bool { return b.Progress().Nodes == 2 })
	w.part(c) // it is not to answer either
	ctx, cancel := contextOf(t, 20*time.Millisecond)
	defer cancel()
	if err := a.Leave(ctx); err == nil {
		t.Error("it has left in time, although it could not")
	}
	put(t, b, key, "new")
	if got := get(t, a, key); got != "new" {
		t.Errorf("got %q of a node that has left, want new", got)
	}
}
