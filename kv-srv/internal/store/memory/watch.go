package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// Watch implements store.Store. Events wait in the history of the namespace, of at most
// 4,096 changes, for all watchers together: a writer waits for none, and a watcher that
// falls behind the oldest change ends with store.ErrLagging. Watching a namespace makes
// it, for which a full store has no room: store.ErrFull. In a store with Slots it misses
// copies that come in another order than that of their versions: see Feed.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := watching.New(prefix)
	sp, err := s.subscribe(w, namespace, from)
	if err != nil {
		return err
	}
	defer s.unsubscribe(w, sp)
	buf := make([]change, 0, 32)
	return w.Follow(ctx, watching.Source{
		Progress: func() store.Event { return sp.history.progress(w) },
		Deliver:  func(ctx context.Context) error { return s.deliver(ctx, sp, w, buf, emit) },
		Every:    s.opts.Progress,
		Done:     s.done,
	}, emit)
}

// deliver emits some of what a watcher has not read, using buf.
func (s *Store) deliver(ctx context.Context, sp *space, w *watching.Watcher, buf []change, emit func(store.Event) error) error {
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

func (s *Store) subscribe(w *watching.Watcher, namespace string, from uint64) (*space, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp, err := s.audible(namespace)
	if err != nil {
		return nil, err
	}
	if err := sp.history.join(w, from, s.versions.last.Load()); err != nil {
		s.settle(sp)
		return nil, err
	}
	s.watchers.Add(1)
	s.settle(sp)
	return sp, nil
}

// audible returns a namespace, which it makes if it is not there. It is followed by
// settle.
func (s *Store) audible(namespace string) (*space, error) {
	if sp := s.spaces[namespace]; sp != nil {
		return sp, nil
	}
	if err := s.makeRoom(costOfSpace(namespace), s.now(), nil, nil); err != nil {
		return nil, err
	}
	return s.addSpace(namespace), nil
}

func (s *Store) unsubscribe(w *watching.Watcher, sp *space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp.history.leave(w)
	s.watchers.Add(-1)
	s.settle(sp)
}

func (h *history) join(w *watching.Watcher, from, now uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Join(w, from, now)
}

func (h *history) leave(w *watching.Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.Leave(w)
}

func (h *history) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard()
}

func (h *history) progress(w *watching.Watcher) store.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Progress(w)
}
