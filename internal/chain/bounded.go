package chain

import (
	"context"
	"sync"
	"time"
)

// bounded is a context with a deadline that makes its timer when somebody waits for it:
// most handlers do not, and the timer costs as much as the rest of the chain.
type bounded struct {
	context.Context //nolint:containedctx // it is one

	end time.Time

	mu     sync.Mutex      // guards what follows
	timed  context.Context //nolint:containedctx // as above
	cancel context.CancelFunc
	over   bool // the call has ended
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.end, true }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} { return b.withTimer(true).Done() }

// Err implements context.Context.
func (b *bounded) Err() error {
	ctx := b.withTimer(false)
	if ctx == b.Context && time.Until(b.end) <= 0 {
		ctx = b.withTimer(true)
	}
	return ctx.Err()
}

// Value implements context.Context. A context that is made of this one finds the one with
// the timer so, and needs no goroutine to follow it.
func (b *bounded) Value(key any) any { return b.withTimer(false).Value(key) }

// withTimer returns the context with the timer, if it is wanted or there is one, or the
// one without.
func (b *bounded) withTimer(wanted bool) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil && !wanted && !b.over {
		return b.Context
	}
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.end)
	}
	if b.over {
		b.cancel()
	}
	return b.timed
}

// release ends the context, with the call.
func (b *bounded) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.cancel != nil {
		b.cancel()
	}
}
