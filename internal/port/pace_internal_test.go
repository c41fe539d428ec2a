package port

import (
	"testing"
	"testing/synctest"
	"time"
)

// cuts are when waits were cut.
type cuts struct{ at []time.Time }

func (c *cuts) cut() { c.at = append(c.at, time.Now()) }

// TestPace: a wait is cut after its limit, and soon after, and no other is.
func TestPace(t *testing.T) {
	const limit = time.Second
	for _, before := range []time.Duration{0, limit / 10, limit / 4, limit/4 + 1, limit * 9 / 10} {
		synctest.Test(t, func(t *testing.T) {
			var p pace
			var got cuts
			p.init(limit, &got)
			for range 20 { // one wait after the other, some with a pause between
				for _, pause := range []time.Duration{0, before} {
					p.begin()
					time.Sleep(before)
					p.end()
					time.Sleep(pause)
				}
			}
			synctest.Wait()
			if len(got.at) > 0 || p.late.Load() {
				t.Fatalf("waits of %v are cut", before)
			}
			begin := time.Now()
			p.begin()
			time.Sleep(3 * limit)
			p.end()
			synctest.Wait()
			if len(got.at) < 2 { // until it ends
				t.Fatalf("a wait without end was cut %d times", len(got.at))
			}
			if took := got.at[0].Sub(begin); took < limit || took > limit+limit/looks || !p.late.Load() {
				t.Errorf("a wait without end, after some of %v, was cut after %v", before, took)
			}
			time.Sleep(limit)
			if p.watched.Load() {
				t.Error("somebody looks where nobody waits")
			}
			n := len(got.at)
			p.begin()
			p.stop()
			time.Sleep(3 * limit)
			synctest.Wait()
			if len(got.at) != n {
				t.Error("a wait was cut after the end")
			}
		})
	}
}
