package lease_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/lease"
)

const ttl = 30 * time.Second

func name(i int) catalog.ID {
	return catalog.ID{Name: catalog.Name{Namespace: "default", Service: "shop"}, Instance: fmt.Sprint(i)}
}

// table runs in a bubble of synctest, and notes what happens.
type table struct {
	*lease.Table

	mu      sync.Mutex
	at      map[catalog.ID]time.Time // when they ended
	changes []lease.State
}

// ended is which have ended, and when.
func (w *table) ended() map[catalog.ID]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.at)
}

// changed is when preserving has begun and ended.
func (w *table) changed() []lease.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.changes)
}

// run runs a table until the test ends.
func run(t *testing.T, o lease.Options) *table {
	t.Helper()
	w := &table{at: map[catalog.ID]time.Time{}}
	o.Ended = func(_ context.Context, ids []catalog.ID) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, id := range ids {
			if at, ok := w.at[id]; ok {
				t.Errorf("%s ends again, after %v", id.Instance, at)
			}
			w.at[id] = time.Now()
		}
	}
	o.Changed = func(s lease.State) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, s)
		if now := w.State(); !now.Preserving.Equal(s.Preserving) {
			t.Errorf("Changed with %+v, when the state is %+v", s, now)
		}
	}
	w.Table = lease.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
	return w
}

// usual is what discovery-srv goes by.
func usual() lease.Options {
	return lease.Options{Share: 0.85, Few: 10, Longest: 15 * time.Minute, Warming: ttl}
}

// holder has a lease, and renews it every third of its time to live.
type holder struct {
	who   catalog.ID
	lease string
	last  time.Time // of its renewals
	stops bool
}

// holders get leases that were last renewed at random moments of the third of ttl before.
func holders(w *table, n int, r *rand.Rand) (all []*holder) {
	for i := range n {
		all = append(all, &holder{who: name(i), lease: w.Grant(name(i), ttl), last: time.Now().Add(-rand.N(ttl / 3))})
	}
	r.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// pass lets time pass, while those that have not stopped renew.
func pass(t *testing.T, w *table, all []*holder, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(250*time.Millisecond, time.Until(end)))
		for _, h := range all {
			if h.stops || time.Since(h.last) < ttl/3 {
				continue
			}
			h.last = time.Now()
			if unknown := w.Renew([]string{h.lease}); unknown != nil {
				t.Errorf("%s renews, and has no lease", h.who.Instance)
			}
		}
	}
	synctest.Wait()
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, usual())
		begin := time.Now()
		short, renewed := w.Grant(name(1), 10*time.Second), w.Grant(name(2), 10*time.Second)
		w.Grant(name(3), 2500*time.Millisecond) // it ends first, though it came last
		for range 100 {
			time.Sleep(9 * time.Second)
			if unknown := w.Renew([]string{renewed}); unknown != nil {
				t.Fatal("a lease that is renewed has ended")
			}
		}
		last := time.Now()
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		want := map[catalog.ID]time.Time{name(3): begin.Add(2500 * time.Millisecond), name(1): begin.Add(10 * time.Second)}
		if diff := cmp.Diff(want, w.ended()); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want[name(2)] = last.Add(10 * time.Second)
		if diff := cmp.Diff(want, w.ended()); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{short, renewed, "made up"}, w.Renew([]string{short, renewed, "made up"})); diff != "" {
			t.Errorf("unknown (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := w.State(), (lease.State{Renewals: 100, Unknown: 3, Lost: 3}); got != want {
			t.Errorf("state: got %+v, want %+v", got, want)
		}
	})
}

func TestWarming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, usual())
		time.Sleep(ttl - 1)
		if !w.State().Warming {
			t.Error("before its time has passed: not warming")
		}
		time.Sleep(time.Nanosecond)
		if w.State().Warming {
			t.Error("after its time has passed: warming")
		}

		unsure, o := true, usual()
		o.Unsure = func() bool { return unsure }
		w = run(t, o)
		time.Sleep(2 * ttl)
		if !w.State().Warming {
			t.Error("for another reason: not warming")
		}
		unsure = false
		if w.State().Warming {
			t.Error("for no reason: warming")
		}
	})
}

// TestAgain is of an instance that gets another lease.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, usual())
		first := w.Grant(name(1), 10*time.Second)
		time.Sleep(5 * time.Second)
		second := w.Grant(name(1), 10*time.Second)
		if held, this := w.Holds(name(1), first); !held || this {
			t.Errorf("the first: held %v, this %v", held, this)
		}
		if held, this := w.Holds(name(1), second); !held || !this {
			t.Errorf("the second: held %v, this %v", held, this)
		}
		if diff := cmp.Diff([]string{first}, w.Renew([]string{first})); diff != "" {
			t.Errorf("unknown (-want +got):\n%s", diff)
		}
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if len(w.ended()) > 0 || w.State().Leases != 1 {
			t.Errorf("ended with the first: %v", w.ended())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(w.ended()) != 1 {
			t.Errorf("ended with the second: %v", w.ended())
		}
		if held, _ := w.Holds(name(1), second); held {
			t.Error("what has ended is held")
		}

		third := w.Grant(name(1), 10*time.Second)
		w.Drop(name(1))
		w.Drop(name(1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.ended()) > 1 || w.Renew([]string{third}) == nil {
			t.Errorf("a lease that was dropped: ended %v, want it unknown and nothing told", w.ended())
		}
	})
}

// TestFewLate has less stop than are preserved: exactly those end, each in time.
func TestFewLate(t *testing.T) {
	for name, tt := range map[string]struct {
		leases, stop int
		options      func(*lease.Options)
	}{
		"10 of 100":                {100, 10, func(*lease.Options) {}},
		"15 of 100":                {100, 15, func(*lease.Options) {}},
		"1 of 3":                   {3, 1, func(*lease.Options) {}},
		"10 of 10":                 {10, 10, func(*lease.Options) {}},
		"all, and none is kept":    {100, 100, func(o *lease.Options) { o.Share = 0 }},
		"half, and a third may do": {100, 50, func(o *lease.Options) { o.Share = 1. / 3 }},
		"none of 100":              {100, 0, func(o *lease.Options) { o.Share, o.Few = 1, 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := usual()
				tt.options(&o)
				w := run(t, o)
				all := holders(w, tt.leases, rand.New(rand.NewPCG(1, 2)))
				pass(t, w, all, 2*ttl)
				want := map[catalog.ID]time.Time{}
				for _, h := range all[:tt.stop] {
					h.stops = true
					want[h.who] = h.last.Add(ttl)
				}
				pass(t, w, all, 3*ttl)
				if diff := cmp.Diff(want, w.ended()); diff != "" {
					t.Errorf("ended (-want +got):\n%s", diff)
				}
				if len(w.changed()) > 0 {
					t.Errorf("preserving: %+v", w.changed())
				}
				if got := w.State(); got.Lost != uint64(tt.stop) || got.Leases != tt.leases-tt.stop || got.Late != 0 {
					t.Errorf("state: got %+v", got)
				}
			})
		})
	}
}

func TestRunLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) { // a real clock
		w := run(t, usual())
		w.Grant(name(1), time.Second)
	})
	goleak.VerifyNone(t, before)
}
