package ring

import (
	"context"
	"errors"
	"sort"
	"sync"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// How much a hub keeps for those who read slowly, and of changes that are not yet to be
// told, since another node may have earlier ones.
const (
	hubEvents   = 4096
	hubBytes    = 16 << 20
	hubUnmerged = 1 << 17
)

// hub joins the changes of a namespace that all nodes decide, for all who watch it here.
type hub struct {
	s         *Store
	namespace string
	own       bool // of one watcher alone, who is waited for
	bell      bell // rings when safe has moved
	done      chan struct{}
	cancel    context.CancelFunc

	users int // under Store.mu

	mu     sync.Mutex
	reader *watching.Watcher // of its own hub; nil: it has not come yet
	events []store.Event     // the latest, in the order of their versions
	bytes  int
	log    watching.Log
	safe   uint64 // all changes up to it were seen; 0: not begun
	wish   uint64 // it is to get there soon
	wishes chan struct{}
	err    error // why it has ended
}

// Watch implements store.Store. All who watch a namespace on this node share what comes
// from the others.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	w := watching.New(prefix)
	h, err := s.attach(ctx, w, namespace, from)
	if err != nil {
		return err
	}
	defer s.detach(h, w)
	buf := make([]store.Event, 0, 32)
	err = w.Follow(ctx, watching.Source{
		Progress: func() store.Event { return h.progress(w) },
		Deliver:  func(ctx context.Context) error { return h.deliver(ctx, w, buf, emit) },
		Every:    s.opts.Progress,
		Done:     h.done,
	}, emit)
	if errors.Is(err, watching.ErrClosed) {
		return h.ended()
	}
	return err
}

// attach finds the hub of a namespace, or begins one, and joins it.
func (s *Store) attach(ctx context.Context, w *watching.Watcher, namespace string, from uint64) (*hub, error) {
	h := s.hub(namespace, false, 0)
	err := h.join(ctx, w, from)
	if !errors.Is(err, errEarlier) {
		if err != nil {
			s.detach(h, nil)
		}
		return h, err
	}
	s.detach(h, nil)
	h = s.hub(namespace, true, from)
	if err := h.join(ctx, w, from); err != nil {
		s.detach(h, nil)
		return nil, err
	}
	return h, nil
}

// errEarlier: a hub has begun after the version that a watcher wants to go on from.
var errEarlier = errors.New("the hub has begun later")

// hub returns that of a namespace, or one of its own that begins at a version.
func (s *Store) hub(namespace string, own bool, from uint64) *hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hubs[namespace]; h != nil && !own {
		h.users++
		return h
	}
	h := &hub{s: s, namespace: namespace, own: own, users: 1, done: make(chan struct{}), wishes: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(s.ctx)
	h.cancel = cancel
	s.open[h] = struct{}{}
	if !own {
		s.hubs[namespace] = h
	}
	s.work.Go(func() { h.run(ctx, from) })
	return h
}

// detach ends a hub with its last watcher.
func (s *Store) detach(h *hub, w *watching.Watcher) {
	if w != nil {
		h.mu.Lock()
		h.log.Leave(w)
		h.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users == 0 {
		h.cancel()
		s.drop(h)
	}
}

// drop lets the next watcher begin another hub. Store.mu is held.
func (s *Store) drop(h *hub) {
	delete(s.open, h)
	if s.hubs[h.namespace] == h {
		delete(s.hubs, h.namespace)
	}
}

// join waits until the hub has all that was written before, and adds a watcher.
func (h *hub) join(ctx context.Context, w *watching.Watcher, from uint64) error {
	latest, err := h.s.latest(ctx)
	if err != nil {
		return err
	}
	if from > latest {
		return store.ErrCompacted // no version of this ring
	}
	at := max(from, 1)
	if from == 0 {
		at = latest
	}
	if err := h.reach(ctx, at); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if from != 0 && from < h.log.Floor {
		if h.own {
			return store.ErrCompacted
		}
		return errEarlier
	}
	h.reader = w
	defer h.bell.ring()
	return h.log.Join(w, from, max(h.safe, from))
}

// latest is the latest version that any node knows.
func (s *Store) latest(ctx context.Context) (latest uint64, err error) {
	err = s.together(ctx, func(ctx context.Context, v *view) error {
		latest, _, err = s.marks(ctx, v)
		return err
	})
	return latest, err
}

// partWatches ends the watches of this node, which may have seen what the ring has not, and may
// miss what it has. Store.mu is held.
func (s *Store) partWatches() {
	for h := range s.open {
		h.mu.Lock()
		h.err = store.ErrCompacted
		h.mu.Unlock()
		h.cancel()
		s.drop(h)
	}
}

func (h *hub) ended() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		return watching.ErrClosed
	}
	return h.err
}

func (h *hub) progress(w *watching.Watcher) store.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Progress(w)
}

// deliver emits some of what a watcher has not read, using buf.
func (h *hub) deliver(ctx context.Context, w *watching.Watcher, buf []store.Event, emit func(store.Event) error) error {
	events, err := h.read(w, buf)
	if err != nil {
		return err
	}
	defer clear(events) // an idle watcher keeps no values
	if h.own {
		h.bell.ring() // there is room again
	}
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// read appends to buf, up to its capacity, what a watcher has not read.
func (h *hub) read(w *watching.Watcher, buf []store.Event) ([]store.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !w.Behind {
		return buf, nil
	}
	if w.Position < h.log.Floor {
		return buf, store.ErrLagging
	}
	i := sort.Search(len(h.events), func(i int) bool { return h.events[i].Version > w.Position })
	for ; i < len(h.events); i++ {
		e := h.events[i]
		if w.Wants(e.Item.Key) {
			if len(buf) == cap(buf) {
				w.Signal()
				return buf, nil
			}
			buf = append(buf, e)
		}
		w.Position = e.Version
	}
	w.Behind = false
	return buf, nil
}

// add appends changes, in order, and notes that all up to a version were seen.
func (h *hub) add(events []store.Event, safe uint64) {
	h.mu.Lock()
	for _, e := range events {
		h.events = append(h.events, e)
		h.bytes += e.Item.Size()
		h.log.Changed(e.Item.Key, e.Version)
	}
	h.drop()
	h.safe = max(h.safe, safe)
	h.log.Last = max(h.log.Last, h.safe)
	h.mu.Unlock()
	h.bell.ring()
}

// drop forgets the oldest changes of too many. h.mu is held.
func (h *hub) drop() {
	n := 0
	for ; n < len(h.events) && (len(h.events)-n > hubEvents || h.bytes > hubBytes); n++ {
		h.bytes -= h.events[n].Item.Size()
		h.log.Floor = h.events[n].Version
	}
	if n > 0 {
		clear(h.events[:n])
		h.events = h.events[n:] // who reads has copies
	}
}

// room waits until the one reader of a hub has read enough for some changes more.
func (h *hub) room(ctx context.Context, v *view) error {
	for h.own {
		rung := h.bell.wait()
		h.mu.Lock()
		read := len(h.events) == 0 || h.reader != nil && !h.reader.Behind
		h.mu.Unlock()
		if read {
			return nil
		}
		select {
		case <-rung:
		case <-v.left:
			return errMoved
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
