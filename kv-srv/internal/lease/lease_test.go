package lease_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/kv-srv/internal/lease"
)

// clock is a time that moves when it is told to.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func want(t *testing.T, table *lease.Table, want lease.Stats) {
	t.Helper()
	if diff := cmp.Diff(want, table.Stats()); diff != "" {
		t.Errorf("Stats (-want +got):\n%s", diff)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTake(t *testing.T) {
	var c clock
	table := lease.New(c.now, 10)
	take := func(namespace, key string, d time.Duration, want bool) {
		t.Helper()
		if got := table.Take(namespace, key, d); got != want {
			t.Errorf("Take of %s/%s: got %t, want %t", namespace, key, got, want)
		}
	}
	take("a", "k", 2*time.Second, true)
	take("a", "k", time.Second, false)
	take("b", "k", time.Second, true)
	take("a", "l", 3*time.Second, true)

	c.advance(time.Second)
	take("b", "k", time.Minute, true) // its time was over
	take("a", "k", time.Minute, false)
	want(t, table, lease.Stats{Leases: 3, Taken: 4, Expired: 1})

	table.End("a", "k")
	table.End("a", "k") // twice is once
	table.End("nobody", "k")
	take("a", "k", time.Minute, true)
	want(t, table, lease.Stats{Leases: 3, Taken: 5, Expired: 1})

	c.advance(time.Hour)
	table.End("any", "key") // which removes all
	want(t, table, lease.Stats{Taken: 5, Expired: 4})
}

func TestEndPrefix(t *testing.T) {
	var c clock
	table := lease.New(c.now, 10)
	for _, key := range []string{"a/1", "a/2", "b/1"} {
		table.Take("n", key, time.Minute)
	}
	table.Take("other", "a/1", time.Minute)
	w := table.Wait("n", "a/2")
	table.EndPrefix("n", "a/")
	if !isClosed(w.Ended()) {
		t.Error("who waits for n/a/2 is not woken")
	}
	w.Leave()
	want(t, table, lease.Stats{Leases: 2, Taken: 4})
	table.EndPrefix("n", "")
	table.EndPrefix("other", "")
	table.EndPrefix("none", "")
	want(t, table, lease.Stats{Taken: 4})
}

// TestFull: what a full table cannot keep is granted, and there is room again with time.
func TestFull(t *testing.T) {
	var c clock
	table := lease.New(c.now, 2)
	for i := range 5 {
		if !table.Take("n", fmt.Sprint(i), time.Second) {
			t.Errorf("lease %d is refused", i)
		}
	}
	if !table.Take("n", "4", time.Second) {
		t.Error("a lease that was not kept is refused to another")
	}
	if table.Take("n", "0", time.Second) {
		t.Error("a lease that was kept is granted twice")
	}
	want(t, table, lease.Stats{Leases: 2, Taken: 2, Unkept: 4})
	c.advance(time.Second)
	for _, first := range []bool{true, false} {
		if got := table.Take("n", "4", time.Second); got != first {
			t.Errorf("with room again: got %t, want %t", got, first)
		}
	}
	want(t, table, lease.Stats{Leases: 1, Taken: 3, Expired: 2, Unkept: 4})
}

// TestWait: who waits is woken by End alone, and whoever is last leaves nothing behind.
func TestWait(t *testing.T) {
	var c clock
	table := lease.New(c.now, 10)
	table.Take("n", "k", time.Second)
	one, two := table.Wait("n", "k"), table.Wait("n", "k")
	c.advance(time.Second)
	if !table.Take("n", "k", time.Second) {
		t.Error("the lease is refused after its time")
	}
	if isClosed(one.Ended()) {
		t.Error("woken by time")
	}
	want(t, table, lease.Stats{Leases: 1, Waiting: 2, Taken: 2, Expired: 1})
	table.End("n", "k")
	for i, w := range []lease.Wait{one, two} {
		if !isClosed(w.Ended()) {
			t.Errorf("%d is not woken", i)
		}
	}
	later := table.Wait("n", "k")
	if isClosed(later.Ended()) {
		t.Error("woken by what was before")
	}
	one.Leave()
	two.Leave()
	table.End("n", "k")
	if !isClosed(later.Ended()) {
		t.Error("not woken where nobody has the lease")
	}
	later.Leave()

	table.Wait("n", "l").Leave()
	want(t, table, lease.Stats{Taken: 2, Expired: 1})
}

// TestTurn: one of those who wait has the turn, and then another.
func TestTurn(t *testing.T) {
	table := lease.New(time.Now, 10)
	one, two := table.Wait("n", "k"), table.Wait("n", "k")
	one.Turn() <- struct{}{}
	select {
	case two.Turn() <- struct{}{}:
		t.Fatal("both have the turn")
	default:
	}
	one.Pass()
	two.Turn() <- struct{}{}
	two.Pass()
	one.Leave()
	two.Leave()
}

// TestManyAtOnce: of callers that all want the same leases one has each at a time.
func TestManyAtOnce(t *testing.T) {
	table := lease.New(time.Now, 1000)
	var holders [3]atomic.Int32
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				n := (g + i) % len(holders)
				key := fmt.Sprint(n)
				w := table.Wait("n", key)
				if table.Take("n", key, time.Hour) {
					if got := holders[n].Add(1); got != 1 {
						t.Errorf("%d have the lease on %s", got, key)
					}
					holders[n].Add(-1)
					table.End("n", key)
				} else {
					<-w.Ended()
				}
				w.Leave()
			}
		})
	}
	all.Wait()
	if got := table.Stats(); got.Leases != 0 || got.Waiting != 0 {
		t.Errorf("left behind: %+v", got)
	}
}

// TestEndOfNothing: a write costs no allocation, with or without leases.
func TestEndOfNothing(t *testing.T) {
	table := lease.New(time.Now, 10)
	for range 2 {
		if n := testing.AllocsPerRun(100, func() { table.End("n", "k") }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		table.Take("n", "other", time.Hour)
	}
}

func BenchmarkEndOfNothing(b *testing.B) {
	table := lease.New(time.Now, 10)
	for b.Loop() {
		table.End("n", "k")
	}
}

func BenchmarkTakeAndEnd(b *testing.B) {
	table := lease.New(time.Now, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		table.Take("n", "k", time.Minute)
		table.End("n", "k")
	}
}
