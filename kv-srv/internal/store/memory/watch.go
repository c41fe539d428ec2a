package memory

import (
	"context"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// watcher is the place of one Watch in the history of its namespace.
type watcher struct {
	prefix string
	wake   chan struct{} // holds one signal: there is something to read

	// Under history.mu. All changes up to position that the watcher wants were read.
	// While it is not behind, none after it is wanted.
	position uint64
	behind   bool
}

func (w *watcher) wants(key string) bool { return strings.HasPrefix(key, w.prefix) }

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Watch implements store.Store. Events wait in the history of the namespace, of at most
// 4,096 changes, for all watchers together: a writer waits for none, and a watcher that
// falls behind the oldest change ends with store.ErrLagging. Watching a namespace makes
// it, for which a full store has no room: store.ErrFull.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1)}
	sp, err := s.subscribe(w, namespace, from)
	if err != nil {
		return err
	}
	defer s.unsubscribe(w, sp)
	progress := time.NewTicker(s.opts.Progress)
	defer progress.Stop()
	err = emit(sp.history.progress(w))
	for buf := make([]change, 0, 32); err == nil; {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-s.done:
			err = errClosed
		case <-progress.C:
			err = emit(sp.history.progress(w))
		case <-w.wake:
			err = s.deliver(ctx, sp, w, buf, emit)
		}
	}
	return err
}

// deliver emits some of what a watcher has not read, using buf.
func (s *Store) deliver(ctx context.Context, sp *space, w *watcher, buf []change, emit func(store.Event) error) error {
	changes, err := sp.history.read(w, buf)
	if err != nil {
		s.lagging.Add(1)
		return err
	}
	defer clear(changes) // an idle watcher keeps no values
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(c.event()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) subscribe(w *watcher, namespace string, from uint64) (*space, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[namespace]
	if sp == nil {
		if err := s.makeRoom(costOfSpace(namespace), s.now(), nil, nil); err != nil {
			return nil, err
		}
		sp = s.addSpace(namespace)
	}
	if err := sp.history.join(w, from, s.version.Load()); err != nil {
		s.settle(sp)
		return nil, err
	}
	s.watchers.Add(1)
	s.settle(sp)
	return sp, nil
}

func (s *Store) unsubscribe(w *watcher, sp *space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp.history.leave(w)
	s.watchers.Add(-1)
	s.settle(sp)
}

// join adds a watcher that has seen the changes up to from, or all up to now if from is
// 0. A version that is later than now is not one of this store.
func (h *history) join(w *watcher, from, now uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if from == 0 {
		from = now
	}
	if from < h.floor || from > now {
		return store.ErrCompacted
	}
	w.position, w.behind = from, from < h.last
	if w.behind {
		w.signal()
	}
	h.audience.add(w)
	return nil
}

func (h *history) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audience.remove(w)
}

func (h *history) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.audience.watchers) > 0
}

func (h *history) progress(w *watcher) store.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !w.behind {
		w.position = max(w.position, h.last)
	}
	return store.Event{Kind: store.Progress, Version: w.position}
}
