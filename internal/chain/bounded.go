package chain

import (
	"context"
	"sync/atomic"
	"time"
)

// bounded is a context with a deadline that makes its timer when somebody waits for it:
// most handlers do not, and the timer costs as much as the rest of the chain.
type bounded struct {
	context.Context //nolint:containedctx // it is one

	end   time.Time
	timed atomic.Pointer[timed] // nil: nobody has waited, and the call has not ended
}

// timed is what a bounded context has become.
type timed struct {
	context.Context //nolint:containedctx // it is one

	cancel context.CancelFunc
}

// newEnded returns what a context becomes whose call has ended before anybody has waited.
func newEnded() *timed {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // of no call: it is over from the beginning
	cancel()
	return &timed{ctx, cancel}
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.end, true }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} { return b.withTimer().Done() }

// Err implements context.Context.
func (b *bounded) Err() error {
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
func (b *bounded) Value(key any) any {
	if t := b.timed.Load(); t != nil {
		if found := t.Value(key); found != nil {
			return found
		}
	}
	return b.Context.Value(key)
}

// withTimer returns the context with the timer, or the one that is over.
func (b *bounded) withTimer() *timed {
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

// release ends the context, with the call.
func (b *bounded) release(ended *timed) {
	if !b.timed.CompareAndSwap(nil, ended) {
		b.timed.Load().cancel()
	}
}
