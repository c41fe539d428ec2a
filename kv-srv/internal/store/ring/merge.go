package ring

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// run follows the nodes, view after view, until ctx is done or changes are gone.
func (h *hub) run(ctx context.Context, from uint64) {
	defer close(h.done)
	err := h.s.together(ctx, func(ctx context.Context, v *view) error {
		at, err := h.position(ctx, v, from)
		if err != nil {
			return err
		}
		err = h.follow(ctx, v, at)
		if errors.Is(err, store.ErrCompacted) && from == 0 && !h.begun() {
			return errMoved // nobody has seen anything yet: begin again, later
		}
		return err
	})
	h.s.mu.Lock()
	h.s.drop(h)
	h.s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil && ctx.Err() == nil {
		h.err = err
	}
}

func (h *hub) begun() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.safe != 0
}

// position is where to go on from.
func (h *hub) position(ctx context.Context, v *view, from uint64) (uint64, error) {
	h.mu.Lock()
	safe := h.safe
	h.mu.Unlock()
	if safe != 0 {
		return safe, nil
	}
	if from == 0 {
		_, watermark, err := h.s.marks(ctx, v)
		if err != nil {
			return 0, err
		}
		from = watermark
	}
	h.mu.Lock()
	h.log.Floor = from
	h.mu.Unlock()
	return from, nil
}

// source is what a hub knows of one node.
type source struct {
	want    chan uint64 // holds the last wish
	wished  uint64
	upTo    uint64
	waiting []store.Event
}

// follow joins the changes of all nodes of a view, until one of them cannot go on.
func (h *hub) follow(ctx context.Context, v *view, from uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer cancel()
	in, failed := make(chan batch), make(chan error, len(v.members))
	sources := map[int]*source{}
	ticker := time.NewTicker(term) // a quiet namespace is not left behind
	defer ticker.Stop()
	for place, m := range v.members {
		if !m.answers() {
			continue
		}
		src := &source{want: make(chan uint64, 1)}
		sources[place] = src
		feeding.Go(func() { failed <- h.feed(ctx, v, place, from, src.want, in) })
	}
	for {
		select {
		case b := <-in:
			src := sources[b.place]
			src.upTo = max(src.upTo, b.upTo)
			src.waiting = append(src.waiting, b.events...)
		case <-h.wishes:
		case <-ticker.C:
			h.ask(h.s.local.Version())
			continue
		case err := <-failed:
			return err
		case <-v.left:
			return errMoved
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := h.advance(ctx, v, sources); err != nil {
			return err
		}
	}
}

// feed sends on what one node decides.
func (h *hub) feed(ctx context.Context, v *view, place int, from uint64, want <-chan uint64, in chan<- batch) error {
	emit := func(events []store.Event, upTo uint64) error {
		select {
		case in <- batch{place, slices.Clone(events), upTo}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if int16(place) == v.self { //nolint:gosec // a ring is small
		if _, err := h.s.serving(ctx, v.id); err != nil {
			return err
		}
		return h.s.feedHere(ctx, v, h.namespace, from, want, emit)
	}
	return h.s.feedFrom(ctx, v, place, h.namespace, from, want, emit)
}

// advance adds to the hub what is complete, and asks who is behind to catch up with what
// is not.
func (h *hub) advance(ctx context.Context, v *view, sources map[int]*source) error {
	safe, wish, waiting, bytes := unknown, uint64(0), 0, 0
	for _, src := range sources {
		safe = min(safe, src.upTo)
		if n := len(src.waiting); n > 0 {
			wish = max(wish, src.waiting[n-1].Version)
		}
	}
	var ready []store.Event
	for _, src := range sources {
		n, _ := slices.BinarySearchFunc(src.waiting, safe, func(e store.Event, safe uint64) int {
			if e.Version <= safe {
				return -1
			}
			return 1
		})
		ready = append(ready, src.waiting[:n]...)
		src.waiting = append(src.waiting[:0:0], src.waiting[n:]...)
		waiting += len(src.waiting)
		for _, e := range src.waiting {
			bytes += e.Item.Size()
		}
	}
	if waiting > hubUnmerged || bytes > 4*hubBytes {
		return store.ErrLagging
	}
	slices.SortFunc(ready, func(a, b store.Event) int {
		if a.Version < b.Version {
			return -1
		}
		return 1
	})
	for len(ready) > hubEvents/4 {
		part := ready[:hubEvents/4]
		if err := h.room(ctx, v); err != nil {
			return err
		}
		h.add(part, part[len(part)-1].Version)
		ready = ready[len(part):]
	}
	if err := h.room(ctx, v); err != nil {
		return err
	}
	h.add(ready, safe)
	h.mu.Lock()
	wish = max(wish, h.wish)
	h.mu.Unlock()
	for _, src := range sources {
		if src.upTo >= wish || src.wished >= wish {
			continue
		}
		src.wished = wish
		replace(src.want, wish)
	}
	return nil
}
