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

// TestDeletePrefixSurely: a prefix of which an owner is lost meanwhile is deleted as a whole,
// or the caller hears that it is not.
func TestDeletePrefixSurely(t *testing.T) {
	all := newRing(t, 4)
	for round := range 2 {
		prefix := fmt.Sprint(round, "/")
		var group sync.WaitGroup
		for w := range 16 {
			group.Go(func() {
				for i := range 200 {
					put(t, all[0], fmt.Sprint(prefix, w, "/", i), "v")
				}
			})
		}
		group.Wait()
		last := all[len(all)-1]
		all = all[:len(all)-1]
		begun := make(chan struct{})
		group.Go(func() {
			<-begun
			last.end(t)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		close(begun)
		n, err := all[0].DeletePrefix(ctx, ns, prefix)
		cancel()
		group.Wait()
		if err != nil {
			t.Fatal(err)
		}
		page, err := all[0].List(t.Context(), ns, store.Query{Prefix: prefix, Limit: 10, MaxBytes: 1 << 20})
		if err != nil || len(page.Items) > 0 {
			t.Errorf("%d deleted, and %d or more are there: %v", n, len(page.Items), err)
		}
		settle(t, all...)
	}
}
