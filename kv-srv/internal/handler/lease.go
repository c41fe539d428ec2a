package handler

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/kv-srv/internal/lease"
	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

const (
	minLease  = time.Millisecond
	maxLease  = time.Minute
	maxLeases = 1 << 16 // each with its key: 64 MiB at most

	// Of those who wait for a key one looks for what another service has put, or for the
	// end of the lease, after a pause that grows from the first to the last.
	firstPause = 20 * time.Millisecond
	lastPause  = 200 * time.Millisecond

	// answerTime is left of a deadline to tell who waits that it is over, at most.
	answerTime = 100 * time.Millisecond
)

// Leases returns what was counted of leases and of those who wait for them. A store that
// has leases of its own counts those itself.
func (h *Handler) Leases() lease.Stats { return h.leases.Stats() }

func (c *checks) lease(d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	lease := d.AsDuration()
	if err := d.CheckValid(); err != nil || lease < minLease || lease > maxLease {
		c.Fail("lease", "%v, want 1ms to 1m, or none", lease)
	}
	return lease
}

func (c *checks) stale(d *durationpb.Duration, lease time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	stale := d.AsDuration()
	if err := d.CheckValid(); err != nil || stale < minTTL || stale > maxTTL {
		c.Fail("stale", "%v, want 1ms to 10 years, or none", stale)
	}
	if lease == 0 {
		c.Fail("stale", "%v without lease, want both or lease alone", stale)
	}
	return stale
}

// leasing is a Get that asks for a lease.
type leasing struct {
	namespace, key string
	lease, stale   time.Duration
}

// answer is the response to a Get that asks for a lease, once it is done.
type answer struct {
	item   store.Item // of version 0: none
	leased bool
	done   bool
}

// getLeased is Get with a lease.
func (h *Handler) getLeased(ctx context.Context, l leasing, rsp *kvpb.GetResponse) error {
	a, err := h.try(ctx, l)
	err = refusal(ctx, err)
	if err == nil && !a.done {
		a, err = h.await(ctx, l)
	}
	if err != nil {
		return err
	}
	if a.item.Version != 0 {
		rsp.Item = itemProto(a.item)
	}
	rsp.Leased = a.leased
	return nil
}

// try answers unless there is no item and somebody else has the lease.
func (h *Handler) try(ctx context.Context, l leasing) (answer, error) {
	a, err := h.look(ctx, l)
	if err != nil || a.done {
		return a, err
	}
	taken, err := h.take(ctx, l, a.item.Version)
	if err != nil {
		return a, err
	}
	if !taken {
		a.done = a.item.Version != 0 // a stale one
		return a, nil
	}
	// Who had the lease may have put the item after the look: then nobody is to do it again.
	if a, err = h.look(ctx, l); err != nil || a.done {
		h.leases.End(l.namespace, l.key)
		return a, err
	}
	a.leased, a.done = true, true
	return a, nil
}

// look is done if there is an item that is not stale.
func (h *Handler) look(ctx context.Context, l leasing) (answer, error) {
	item, err := h.store.Get(ctx, l.namespace, l.key)
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, nil
	}
	if err != nil {
		return answer{}, err
	}
	fresh := l.stale == 0 || item.Expires.IsZero() || item.Expires.Sub(h.now()) >= l.stale
	return answer{item: item, done: fresh}, nil
}

// take takes the lease, where the store has none here.
func (h *Handler) take(ctx context.Context, l leasing, seen uint64) (bool, error) {
	if s, ok := h.store.(store.Leaser); ok {
		taken, err := s.Lease(ctx, l.namespace, l.key, seen, l.lease)
		if _, none := errors.AsType[*store.UnsupportedError](err); !none {
			return taken, err
		}
	}
	return h.leases.Take(l.namespace, l.key, l.lease), nil
}

// await waits for an answer. It gives up a little before the caller does, who so hears of it.
// Its error is one for the caller.
func (h *Handler) await(ctx context.Context, l leasing) (a answer, err error) {
	patient, cancel := ctx, context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); ok {
		patient, cancel = context.WithDeadline(ctx, end.Add(-min(answerTime, time.Until(end)/10)))
	}
	defer cancel()
	for err == nil && !a.done {
		a, err = h.wait(patient, l)
	}
	return a, refusal(patient, err)
}

// wait waits until the key is written to, or it is this caller's turn and try has an answer.
// It may return without one.
func (h *Handler) wait(ctx context.Context, l leasing) (answer, error) {
	w := h.leases.Wait(l.namespace, l.key)
	defer w.Leave()
	a, err := h.try(ctx, l) // what was put before the wait began
	if err != nil || a.done {
		return a, err
	}
	select {
	case <-w.Ended():
		return h.try(ctx, l)
	case <-ctx.Done():
		return a, ctx.Err()
	case w.Turn() <- struct{}{}:
		defer w.Pass()
		return h.poll(ctx, l, w.Ended())
	}
}

// poll tries again and again, for all who wait for the key.
func (h *Handler) poll(ctx context.Context, l leasing, ended <-chan struct{}) (answer, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ended:
			timer.Stop()
			return h.try(ctx, l)
		case <-ctx.Done():
			timer.Stop()
			return answer{}, ctx.Err()
		}
		a, err := h.try(ctx, l)
		if a.done && !a.leased { // it was put through another service
			h.leases.End(l.namespace, l.key)
		}
		if err != nil || a.done {
			return a, err
		}
	}
}
