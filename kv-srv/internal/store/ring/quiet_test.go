package ring_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// keepBusy has some writers write to a namespace that nobody watches, until stop is called.
func keepBusy(t *testing.T, nodes ...*node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprint("w", w, "-", i%97)
				_, err := nodes[w%len(nodes)].Put(ctx, "busy", store.Write{Key: key, RequestID: strconv.Itoa(i)})
				if err != nil && ctx.Err() == nil {
					t.Errorf("put %s: %v", key, err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
	}
}

// TestWatchOfQuiet: who watches a namespace that nobody writes to goes on when nodes join,
// leave and are lost, however much is written to others.
func TestWatchOfQuiet(t *testing.T) {
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			change := func(o *ring.Options) { o.Replicas = replicas }
			all := newRing(t, 2, change)
			put(t, all[0], "first", "v")
			watches := []*watch{follow(t, all[0], 0, func() {}), follow(t, all[1], 0, func() {})}
			stop := keepBusy(t, all[0], all[1])
			defer stop()
			for round := range 4 {
				n := join(t, all[0], change)
				settle(t, append(all[:2:2], n)...)
				if lost := round%2 == 1 && replicas > 1; !lost {
					if err := n.Leave(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				n.end(t)
				settle(t, all[:2]...)
			}
			stop()
			last := put(t, all[1], "last", "v")
			for _, w := range watches {
				w.sees(t, map[uint64]string{last: "last"}, last)
			}
		})
	}
}
