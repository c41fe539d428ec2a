package memory

import (
	"context"
	"sort"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// maxEvents bounds what a feed emits at once.
const maxEvents = 256

// maxAhead is how far versions may be ahead of the clock: one that is further is none of
// a ring's.
const maxAhead = time.Hour

// feed is the place of one Feed in the history of its namespace.
type feed struct {
	versions *versions
	has      func(slot int) bool
	wake     chan struct{} // holds one signal: there is something to do

	// All that is wanted up to position was read, and nothing that is wanted comes
	// there any more. While it is not behind, nothing after it is in the history.
	// Both are under the lock of the history.
	position uint64
	behind   bool

	awaited uint64 // version that it waits for in versions, under their lock; 0: none

	wish   uint64 // version up to which it is to emit soon; 0: none
	read   []change
	events []store.Event
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// changed notes a change. The feed wakes up when it may emit it.
func (f *feed) changed(c *change) {
	if c.version <= f.position || !f.has(int(c.slot)) {
		return
	}
	mark := f.versions.await(f, c.version)
	if !f.behind {
		f.position, f.behind = max(f.position, min(c.version-1, mark)), true
	}
}

// Feed emits the changes of a namespace after the version from, which is not 0, in the
// slots that has is true for, in the order of their versions, at most 256 at once. It says
// up to which version it has emitted all such changes, so that none will come later; it
// passes none that is under way. It emits once at the beginning, then when there are
// changes, and when it has reached a version that was received from want, which makes it
// known: of several, the largest counts. The events are valid until emit returns.
//
// It is for a store with Slots, whose owner calls Apply between Begin and End with
// versions of its own. A copy from elsewhere is emitted only if no feed could have passed
// its version, as none can one that is larger than all known. has is called under locks
// of the store.
//
// Feed returns when ctx is done (its error), the store is closed (watching.ErrClosed), or
// emit fails (that error), with store.ErrCompacted if the changes after from are gone or
// from is more than an hour ahead of the clock, with store.ErrLagging if the next changes
// are gone, and with store.ErrFull if there is no room for the namespace.
func (s *Store) Feed(ctx context.Context, namespace string, from uint64, has func(slot int) bool, want <-chan uint64,
	emit func(events []store.Event, upTo uint64) error,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f := &feed{versions: &s.versions, has: has, wake: make(chan struct{}, 1), position: from, behind: true}
	sp, err := s.join(f, namespace)
	if err != nil {
		return err
	}
	defer s.leave(f, sp)
	err = s.emit(sp, f, true, emit)
	for err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return watching.ErrClosed
		case version, open := <-want:
			if !open {
				want = nil
				continue
			}
			f.wish = max(f.wish, version)
			s.Advance(version)
		case <-f.wake:
		}
		err = s.emit(sp, f, false, emit)
	}
	return err
}

func (s *Store) join(f *feed, namespace string) (*space, error) {
	if f.position > versionAt(s.opts.Now().Add(maxAhead)) {
		return nil, store.ErrCompacted
	}
	s.Advance(f.position)
	s.mu.Lock()
	defer s.mu.Unlock()
	sp, err := s.audible(namespace)
	if err != nil {
		return nil, err
	}
	defer s.settle(sp)
	if err := sp.history.admit(f); err != nil {
		return nil, err
	}
	s.watchers.Add(1)
	return sp, nil
}

func (s *Store) leave(f *feed, sp *space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp.history.dismiss(f)
	s.versions.leave(f)
	s.watchers.Add(-1)
	s.settle(sp)
}

// emit reads what there is, and emits it, or how far it is if that is to be told.
func (s *Store) emit(sp *space, f *feed, tell bool, emit func([]store.Event, uint64) error) error {
	upTo, err := sp.history.feed(f)
	if err != nil {
		s.lagging.Add(1)
		return err
	}
	switch {
	case f.wish == 0:
	case upTo >= f.wish:
		f.wish, tell = 0, true
	default:
		s.versions.await(f, f.wish)
	}
	if len(f.read) == 0 && !tell {
		return nil
	}
	for _, c := range f.read {
		f.events = append(f.events, c.event())
	}
	err = emit(f.events, upTo)
	clear(f.read) // an idle feed keeps no values
	clear(f.events)
	f.read, f.events = f.read[:0], f.events[:0]
	return err
}

func (h *history) admit(f *feed) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.position < h.log.Floor {
		return store.ErrCompacted
	}
	if h.feeds == nil {
		h.feeds = make(map[*feed]struct{})
	}
	h.feeds[f] = struct{}{}
	return nil
}

func (h *history) dismiss(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.feeds, f)
}

// feed reads the next changes that a feed wants, and returns up to where these are all.
// It signals the feed if there are more.
func (h *history) feed(f *feed) (upTo uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mark := f.versions.watermark() // before the changes are read: those up to it are here
	if f.behind {
		if f.position < h.log.Floor {
			return 0, store.ErrLagging
		}
		if full := h.gather(f, mark); full {
			f.signal()
			return f.position, nil
		}
	}
	f.position = max(f.position, mark)
	return f.position, nil
}

// gather reads changes up to a version until the feed holds all, or no more.
func (h *history) gather(f *feed, mark uint64) (full bool) {
	i := sort.Search(h.n, func(i int) bool { return h.at(i).version > f.position })
	for ; i < h.n; i++ {
		c := h.at(i)
		switch {
		case !f.has(int(c.slot)):
		case c.version > mark:
			f.versions.await(f, c.version)
			return false
		case len(f.read) == maxEvents:
			f.cut(c.version)
			return true
		default:
			f.read = append(f.read, *c)
		}
	}
	f.behind = false
	return false
}

// cut ends a batch before the next version: copies from several nodes may share one, and
// stay together.
func (f *feed) cut(next uint64) {
	n := len(f.read)
	for n > 1 && f.read[n-1].version == next {
		n--
	}
	clear(f.read[n:])
	f.read = f.read[:n]
	f.position = f.read[n-1].version
}
