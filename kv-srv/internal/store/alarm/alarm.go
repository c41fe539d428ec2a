// Package alarm says when to look whether an item is past its time, where a backend keeps
// the times to look at beside the items, for whoever shares it.
package alarm

import (
	"context"
	"time"
)

// Tick is how late an expired item may be removed. Readers look at the time themselves.
const Tick = 100 * time.Millisecond

// Idle is how often to look for alarms that others have set.
const Idle = time.Second

// soon is from when on an alarm is exact.
const soon = 2 * time.Second

// Time is when to look after an item, in milliseconds since 1970. Long before its end that
// is too early, and the same for writes that follow each other: so an item that is written
// again and again leaves a dozen alarms and not one for each write.
func Time(now, end time.Time) int64 {
	left, at := end.Sub(now), end.UnixMilli()
	if left <= soon {
		return (end.UnixNano() + int64(Tick) - 1) / int64(Tick) * Tick.Milliseconds()
	}
	grain := int64(1)
	for grain*16 <= left.Milliseconds() {
		grain *= 2
	}
	return at / grain * grain
}

// Clock waits for alarms. Its methods may be called at once.
type Clock struct {
	earlier chan int64 // when there is something to expire, before what was expected
}

// NewClock returns a clock that expects nothing.
func NewClock() *Clock { return &Clock{earlier: make(chan int64, 1)} }

// Expect says that there is an alarm at a time, in milliseconds since 1970.
func (c *Clock) Expect(at int64) {
	for {
		select {
		case c.earlier <- at:
			return
		case other := <-c.earlier:
			at = min(at, other)
		}
	}
}

// Run calls ring, which says when to call it again, then and at each alarm that is
// expected earlier, until ctx is done.
func (c *Clock) Run(ctx context.Context, ring func() time.Time) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-c.earlier:
			if t := time.UnixMilli(at); t.Before(next) {
				next = t
				timer.Reset(time.Until(t))
			}
			continue
		case <-timer.C:
		}
		next = ring()
		timer.Reset(time.Until(next))
	}
}
