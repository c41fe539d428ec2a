package lease_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wantEnded complains unless exactly these have ended, each with its time to live, and nothing
// was preserved.
func (w *table) wantEnded(t *testing.T, all []*holder) {
	t.Helper()
	want := map[string]time.Time{}
	for _, h := range all {
		want[h.who.Instance] = h.last.Add(ttl)
	}
	got := map[string]time.Time{}
	for id, at := range w.ended() {
		got[id.Instance] = at
	}
	if diff := cmp.Diff(want, got); diff != "" || len(w.changed()) > 0 {
		t.Errorf("preserving %+v, ended (-want +got):\n%s", w.changed(), diff)
	}
}

// TestDeregisterStorm has most leave at once, in good order, while some have just stopped: so
// few of all that those are lost, however many of the rest they are.
func TestDeregisterStorm(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"at the same time": 0, "before they are late": ttl / 2, "when they are late": 3 * ttl / 4, "over a while": -ttl / 2,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				synctest.Test(t, func(t *testing.T) {
					w := run(t, usual())
					all := holders(w, 100, rand.New(rand.NewPCG(seed, 0)))
					pass(t, w, all, 2*ttl)
					stopped, leaving, rest := all[:14], all[14:95], all[95:]
					for _, h := range stopped {
						h.stops = true
					}
					pass(t, w, all, max(after, 0))
					for _, h := range leaving {
						w.Drop(h.who)
						h.stops = true
						if after < 0 {
							pass(t, w, all, -after/time.Duration(len(leaving)))
						}
					}
					pass(t, w, rest, 3*ttl)
					w.wantEnded(t, stopped)
				})
			}
		})
	}
}

// TestRestOfStorm has some of those stop that are left a while after most have left: they are
// most of what there is, and are preserved for no longer than any.
func TestRestOfStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, usual())
		all := holders(w, 100, rand.New(rand.NewPCG(1, 2)))
		pass(t, w, all, 2*ttl)
		for _, h := range all[20:] {
			w.Drop(h.who)
		}
		rest := all[:20]
		pass(t, w, rest, 2*ttl)
		for _, h := range rest[:14] {
			h.stops = true
		}
		pass(t, w, rest, 10*time.Minute)
		if len(w.ended()) > 0 || w.State().Preserving.IsZero() {
			t.Errorf("%d have ended, %+v, want all preserved", len(w.ended()), w.State())
		}
		pass(t, w, rest, 6*time.Minute)
		if got := w.State(); len(w.ended()) != 14 || got.Leases != 6 || !got.Preserving.IsZero() {
			t.Errorf("%d have ended, %+v, want the 14 that have stopped", len(w.ended()), got)
		}
	})
}

// TestStormWhilePreserved has those leave that renew while the others are preserved, who are
// no more than they were.
func TestStormWhilePreserved(t *testing.T) {
	crowd(t, 20, func(t *testing.T, w *table, all, stopped []*holder) {
		pass(t, w, all, 2*ttl)
		preserves(t, w, stopped)
		for _, h := range all[20:] {
			w.Drop(h.who)
		}
		pass(t, w, stopped, 16*time.Minute)
		if len(w.ended()) != 20 || len(w.changed()) != 2 || w.State().Leases != 0 {
			t.Errorf("%d have ended, preserving %+v, want it to end with all", len(w.ended()), w.changed())
		}
	})
}

// TestReplaced has all leave for others, as a deploy does, and instances that come and go: so
// they are no more than they were, and many of them that stop are preserved.
func TestReplaced(t *testing.T) {
	crowd(t, 0, func(t *testing.T, w *table, all, _ []*holder) {
		var now []*holder
		for i, h := range all {
			w.Drop(h.who)
			h.stops = true
			who := name(1000 + i)
			now = append(now, &holder{who: who, lease: w.Grant(who, ttl), last: time.Now()})
			for range 3 {
				w.Grant(name(5000), ttl)
				w.Drop(name(5000))
			}
		}
		for _, h := range now[:20] {
			h.stops = true
		}
		pass(t, w, now, 2*ttl)
		if len(w.ended()) > 0 || w.State().Preserving.IsZero() {
			t.Errorf("%d have ended, preserving %+v, want all preserved", len(w.ended()), w.changed())
		}
	})
}
