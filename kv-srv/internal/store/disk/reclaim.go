package disk

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// removals are what was removed while room was short, and still is in files.
type removals struct {
	mu       sync.Mutex
	from, to []byte // keys of the first and the last item; nil: there are none
	busy     bool
}

// add notes the key of an item.
func (r *removals) add(key []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from == nil || bytes.Compare(key, r.from) < 0 {
		r.from = bytes.Clone(key)
	}
	if r.to == nil || bytes.Compare(key, r.to) > 0 {
		r.to = bytes.Clone(key)
	}
}

// begin tells whether there are some that nobody looks after yet.
func (r *removals) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy || r.from == nil {
		return false
	}
	r.busy = true
	return true
}

// take returns the keys between which there are removals, and forgets them.
func (r *removals) take() (from, to []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to = r.from, r.to
	r.from, r.to = nil, nil
	return from, to
}

func (r *removals) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
}

// reclaim lets the engine write its files anew without what was removed, piece by piece,
// until room is not short any more. By itself it takes its time.
func (s *Store) reclaim(ctx context.Context) {
	defer s.removals.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.kept.Go(func() {
		defer cancel()
		look := time.NewTicker(retried)
		defer look.Stop()
		for s.room.short() {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	})
	from, to := s.removals.take()
	err := s.db.Compact(ctx, from, append(slices.Clip(to), 0), true)
	if err != nil && s.room.short() { // it is tried again
		s.removals.add(from)
		s.removals.add(to)
		s.opts.Log.DebugContext(ctx, "kv store cannot make room now", slog.Any("error", err))
	}
}
