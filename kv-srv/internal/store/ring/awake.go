package ring

import (
	"sync/atomic"
	"time"
)

// awake is a clock that also goes while the machine is suspended, as that of Store.clock
// may not: what the system's clock is ahead of it by, all of a sudden, is taken for such
// time. So a step of the system's clock forward ends leases as well, which costs a beat.
type awake struct {
	began time.Time
	now   func() time.Time
	last  atomic.Pointer[gap]
}

// gap is how far the system's clock and the other one are apart.
type gap struct {
	apart time.Duration
	slept time.Duration // all that they have come apart by forward
}

// Steps that are noted. Shorter ones are of a process that had no processor between the
// readings of two clocks.
const (
	stepForward = 100 * time.Millisecond
	stepBack    = time.Second
)

func newAwake(began time.Time, now func() time.Time) *awake {
	a := &awake{began: began, now: now}
	a.last.Store(&gap{})
	return a
}

// clock is the time since the begin.
func (a *awake) clock() time.Duration {
	for {
		now := a.now()
		here := time.Since(a.began)
		g := a.last.Load()
		apart := now.Round(0).Sub(a.began.Round(0)) - here
		next := &gap{apart: apart, slept: g.slept}
		switch d := apart - g.apart; {
		case d > stepForward:
			next.slept += d
		case d > -stepBack:
			return here + g.slept
		}
		a.last.CompareAndSwap(g, next)
	}
}
