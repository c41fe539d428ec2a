package call

import (
	"context"
	"sync/atomic"
	"time"
)

// Bound is a context with a deadline that makes its timer when somebody waits for it:
// most handlers do not, and the timer costs as much as the rest of the chain.
type Bound struct {
	context.Context //nolint:containedctx // it is one

	end   time.Time
	timed atomic.Pointer[timed] // nil: nobody has waited, and the call has not ended
}

// timed is what a Bound has become.
type timed struct {
	context.Context //nolint:containedctx // it is one

	cancel context.CancelFunc
}

// Deadline implements context.Context.
func (b *Bound) Deadline() (time.Time, bool) { return b.end, true }

// Done implements context.Context.
func (b *Bound) Done() <-chan struct{} { return b.withTimer().Done() }

// Err implements context.Context.
func (b *Bound) Err() error {
	if t := b.timed.Load(); t != nil {
		return t.Err()
	}
	if time.Until(b.end) <= 0 {
		return b.withTimer().Err()
	}
	return b.Context.Err()
}

// Value implements context.Context. A context that is made of this one finds the one with
// the timer so, and needs no goroutine to follow it.
func (b *Bound) Value(key any) any {
	if t := b.timed.Load(); t != nil {
		if found := t.Value(key); found != nil {
			return found
		}
	}
	return b.Context.Value(key)
}

// withTimer returns the context with the timer, or the one that is over.
func (b *Bound) withTimer() *timed {
	if t := b.timed.Load(); t != nil {
		return t
	}
	t := &timed{}
	t.Context, t.cancel = context.WithDeadline(b.Context, b.end)
	if !b.timed.CompareAndSwap(nil, t) {
		t.cancel()
		return b.timed.Load()
	}
	return t
}

// Ended is what a Bound becomes whose call has ended before anybody has waited.
type Ended timed

// NewEnded returns an Ended for any number of calls.
func NewEnded() *Ended {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // of no call: it is over from the beginning
	cancel()
	return &Ended{ctx, cancel}
}

// Release ends the context, with the call.
func (b *Bound) Release(ended *Ended) {
	if !b.timed.CompareAndSwap(nil, (*timed)(ended)) {
		b.timed.Load().cancel()
	}
}

// mostBounds is how many are made at once.
const mostBounds = 16

// Bound returns ctx with a deadline, for its caller to release. Who makes one call after
// the other with the same Call spares most of them an allocation.
func (c *Call) Bound(ctx context.Context, end time.Time) *Bound {
	if len(c.bounds) == 0 {
		c.made = min(max(2*c.made, 1), mostBounds)
		c.bounds = make([]Bound, c.made)
	}
	b := &c.bounds[0]
	c.bounds = c.bounds[1:]
	b.Context, b.end = ctx, end
	return b
}
