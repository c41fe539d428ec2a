package ring_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// writing puts and deletes at nodes without a word that a write may be made twice, until it is
// told to end, and returns how often that was done.
func writing(t *testing.T, nodes ...*node) (end func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int64
	var group sync.WaitGroup
	for w := range 16 {
		n := nodes[w%len(nodes)]
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("%d/%d", w, i%200)
				if _, err := n.Put(t.Context(), ns, store.Write{Key: key, Value: []byte("v")}); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
				if err := n.Delete(t.Context(), ns, store.Removal{Key: key}); err != nil {
					t.Errorf("delete %s: %v", key, err)
				}
				done.Add(1)
			}
		})
	}
	return func() int64 {
		cancel()
		group.Wait()
		return done.Load()
	}
}

// TestOrderly: nodes that join, and that leave when they are told to, cost no write, not even
// one that must not be made twice.
func TestOrderly(t *testing.T) {
	all := newRing(t, 3)
	for range 3 {
		end := writing(t, all...)
		n := join(t, all[0])
		settle(t, append(all, n)...)
		if err := n.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		n.end(t)
		settle(t, all...)
		t.Logf("%d writes", end())
	}
}

// TestDeletePrefixSurely: a prefix of which an owner is lost meanwhile, with deletions under
// way there, is deleted as a whole.
func TestDeletePrefixSurely(t *testing.T) {
	many := store.Query{Limit: 10_000, MaxBytes: 16 << 20, KeysOnly: true} // than there are
	w := newWires()
	var all []*node
	for range 3 {
		n := &node{}
		start(t, n, w.from(n))
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	var group sync.WaitGroup
	for p := range 16 {
		group.Go(func() {
			for i := range 150 {
				put(t, all[0], fmt.Sprint(p, "/", i), "v")
			}
		})
	}
	group.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	group.Go(func() {
		for page, err := all[0].List(ctx, ns, many); err == nil && len(page.Items) > 2300; {
			page, err = all[0].List(ctx, ns, many)
		}
		w.part(all[2])
	})
	n, err := all[0].DeletePrefix(ctx, ns, "")
	if err != nil {
		t.Fatal(err)
	}
	group.Wait()
	settle(t, all[:2]...)
	page, err := all[0].List(ctx, ns, many)
	if err != nil || len(page.Items) > 0 {
		t.Errorf("%d deleted, and %d are there: %v", n, len(page.Items), err)
	}
	w.part() // so that connections end
}
