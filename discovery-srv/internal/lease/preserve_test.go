package lease_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// crowd are 100 that renew every third of their time to live, of which some stop at once.
func crowd(t *testing.T, stop int, story func(t *testing.T, w *table, all, stopped []*holder)) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := run(t, usual())
				r := rand.New(rand.NewPCG(seed, 0))
				all := holders(w, 100, r)
				pass(t, w, all, 2*ttl+time.Duration(r.Int64N(int64(ttl))))
				for _, h := range all[:stop] {
					h.stops = true
				}
				story(t, w, all, all[:stop])
			})
		})
	}
}

// preserves complains unless none has ended, since not later than the first would have.
func preserves(t *testing.T, w *table, stopped []*holder) {
	t.Helper()
	if len(w.ended()) > 0 {
		t.Errorf("%d have ended, want none", len(w.ended()))
	}
	if len(w.changed()) != 1 {
		t.Fatalf("preserving: %+v, want that it has begun", w.changed())
	}
	first := stopped[0].last
	for _, h := range stopped {
		if h.last.Before(first) {
			first = h.last
		}
	}
	s := w.changed()[0]
	if s.Preserving.IsZero() || s.Preserving.After(first.Add(ttl)) || s.Leases != 100 {
		t.Errorf("preserving: %+v, want it since %v at most", s, first.Add(ttl))
	}
	if got := w.State(); !got.Preserving.Equal(s.Preserving) || got.Late != len(stopped) {
		t.Errorf("state: got %+v, want %d late since %v", got, len(stopped), s.Preserving)
	}
}

func TestManyLateComeBack(t *testing.T) {
	crowd(t, 20, func(t *testing.T, w *table, all, stopped []*holder) {
		pass(t, w, all, 10*time.Minute)
		preserves(t, w, stopped)
		for _, h := range stopped {
			h.stops = false
		}
		pass(t, w, all, 2*time.Second)
		if len(w.changed()) != 2 || !w.changed()[1].Preserving.IsZero() || !w.State().Preserving.IsZero() {
			t.Errorf("when they have renewed: %+v, want no more preserving", w.changed())
		}
		pass(t, w, all, 20*time.Minute)
		if len(w.ended()) > 0 || len(w.changed()) != 2 {
			t.Errorf("later: %d have ended, preserving %+v", len(w.ended()), w.changed())
		}
	})
}

func TestSomeComeBack(t *testing.T) {
	crowd(t, 20, func(t *testing.T, w *table, all, stopped []*holder) {
		pass(t, w, all, 10*time.Minute)
		preserves(t, w, stopped)
		for _, h := range stopped[:10] {
			h.stops = false
		}
		pass(t, w, all, 2*time.Second)
		if len(w.changed()) != 2 || !w.State().Preserving.IsZero() {
			t.Fatalf("when some have renewed: %+v, want no more preserving", w.changed())
		}
		pass(t, w, all, ttl-4*time.Second)
		if len(w.ended()) > 0 || len(w.changed()) != 2 {
			t.Errorf("%d have ended, preserving %+v, want none within another time to live", len(w.ended()), w.changed())
		}
		pass(t, w, all, 4*time.Second)
		if len(w.ended()) != 10 || len(w.changed()) != 2 {
			t.Errorf("%d have ended, preserving %+v, want the 10 that are away", len(w.ended()), w.changed())
		}
	})
}

// TestComeBackOneByOne: who is among the last to come back has lost nothing.
func TestComeBackOneByOne(t *testing.T) {
	crowd(t, 20, func(t *testing.T, w *table, all, stopped []*holder) {
		pass(t, w, all, 10*time.Minute)
		preserves(t, w, stopped)
		for _, h := range stopped {
			h.stops = false
			pass(t, w, all, time.Second)
		}
		pass(t, w, all, 20*time.Minute)
		if len(w.ended()) > 0 || len(w.changed()) != 2 {
			t.Errorf("%d have ended, preserving %+v, want none, and that it has begun and ended once", len(w.ended()), w.changed())
		}
	})
}

func TestManyLateStayAway(t *testing.T) {
	for _, stop := range []int{20, 60, 100} {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			crowd(t, stop, func(t *testing.T, w *table, all, stopped []*holder) {
				pass(t, w, all, ttl)
				preserves(t, w, stopped)
				since := w.changed()[0].Preserving
				pass(t, w, all, time.Until(since.Add(15*time.Minute))-time.Millisecond)
				preserves(t, w, stopped)
				pass(t, w, all, 2*time.Second)
				if len(w.ended()) != stop {
					t.Errorf("after 15 minutes: %d have ended, want %d", len(w.ended()), stop)
				}
				if len(w.changed()) != 2 || !w.changed()[1].Preserving.IsZero() {
					t.Errorf("after 15 minutes: %+v, want no more preserving", w.changed())
				}
				for _, h := range stopped {
					if w.ended()[h.who].IsZero() {
						t.Errorf("%s has not ended", h.who.Instance)
					}
				}

				// It is not for once and all.
				left := all[stop:]
				if len(left) < 40 {
					return
				}
				for _, h := range left[:20] {
					h.stops = true
				}
				pass(t, w, left, 2*ttl)
				if len(w.ended()) != stop || len(w.changed()) != 3 || w.changed()[2].Preserving.IsZero() {
					t.Errorf("20 more stop: %d have ended, preserving %+v", len(w.ended()), w.changed())
				}
			})
		})
	}
}

// TestNewOnesArePreserved has others come while leases are preserved, of which some stop.
func TestNewOnesArePreserved(t *testing.T) {
	crowd(t, 50, func(t *testing.T, w *table, all, stopped []*holder) {
		pass(t, w, all, time.Minute)
		preserves(t, w, stopped)
		for i := range 5 {
			w.Grant(name(1000+i), ttl)
		}
		pass(t, w, all, 5*time.Minute)
		if len(w.ended()) > 0 {
			t.Errorf("%d have ended, want none", len(w.ended()))
		}
		for _, h := range stopped {
			w.Drop(h.who)
		}
		pass(t, w, all, ttl+3*time.Second)
		if got := w.State(); len(w.ended()) != 5 || !got.Preserving.IsZero() || got.Leases != 50 {
			t.Errorf("when those are gone for which they were preserved: %d have ended, want 5: %+v", len(w.ended()), got)
		}
	})
}
