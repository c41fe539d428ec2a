package memory

import (
	"sort"
	"sync"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// maxChanges bounds the history of one namespace. The latest of them are dropped last if
// somebody watches.
const (
	maxChanges = 4096
	latest     = 32
)

// maxSlotChanges bounds it in a store with Slots, where changes wait for those under way.
const maxSlotChanges = 16 * maxChanges

// maxLooks bounds the search for histories with something to drop.
const maxLooks = 1024

// change is a store.Event as it is kept.
type change struct {
	kind    int32 // a store.Kind
	slot    int32
	version uint64
	key     string
	rec     *record // nil: the item is gone
	cost    int64
}

func (c change) event() store.Event {
	item := store.Item{Key: c.key}
	if c.rec != nil {
		item = c.rec.item(c.key)
	}
	return store.Event{Kind: store.Kind(c.kind), Version: c.version, Item: item}
}

// history is the latest changes of a namespace. It is what a new watcher catches up
// from, and the one queue of all watchers: none has its own.
type history struct {
	mu       sync.Mutex
	ring     []change
	first, n int
	bytes    int64 // read and changed under Store.mu as well
	log      watching.Log
	feeds    map[*feed]struct{}
}

// at returns the ith change, the oldest being the 0th.
func (h *history) at(i int) *change { return &h.ring[(h.first+i)%len(h.ring)] }

// add adds a change to at most limit others, wakes who watches its key, and returns by
// how many bytes the history has grown. It comes after the last one, but in a store with
// Slots, where one that is no later than the floor is left out.
func (h *history) add(c change, limit int) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.bytes
	if h.n == limit {
		h.dropFirst()
	}
	late := c.version <= h.log.Last
	if late && c.version <= h.log.Floor {
		return h.bytes - before
	}
	if h.n == len(h.ring) {
		h.resize(max(2*h.n, 2))
	}
	c.cost = costOfChange(c)
	h.bytes += c.cost
	h.n++
	*h.at(h.n - 1) = c
	if late {
		h.sift()
	} else {
		h.log.Changed(c.key, c.version)
	}
	for f := range h.feeds {
		f.changed(&c)
	}
	return h.bytes - before
}

// drop drops the oldest changes until that has freed some bytes, and returns how many.
func (h *history) drop(bytes int64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.bytes
	for h.n > 0 && before-h.bytes < bytes {
		h.dropFirst()
	}
	if h.n <= len(h.ring)/4 {
		h.resize(2 * h.n)
	}
	return before - h.bytes
}

func (h *history) dropFirst() {
	c := h.at(0)
	h.log.Floor = c.version
	h.bytes -= c.cost
	*c = change{}
	h.first = (h.first + 1) % len(h.ring)
	h.n--
}

func (h *history) resize(size int) {
	ring := make([]change, size)
	for i := range h.n {
		ring[i] = *h.at(i)
	}
	h.ring, h.first = ring, 0
}

// read appends to buf, up to its capacity, the changes that a watcher has not read. It
// wakes the watcher again if there are more.
func (h *history) read(w *watching.Watcher, buf []change) ([]change, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !w.Behind {
		return buf, nil
	}
	if w.Position < h.log.Floor {
		return buf, store.ErrLagging
	}
	i := sort.Search(h.n, func(i int) bool { return h.at(i).version > w.Position })
	for ; i < h.n; i++ {
		c := h.at(i)
		if w.Wants(c.key) {
			if len(buf) == cap(buf) {
				w.Signal()
				return buf, nil
			}
			buf = append(buf, *c)
		}
		w.Position = c.version
	}
	w.Behind = false
	return buf, nil
}

// heard tells whether somebody reads the history.
func (h *history) heard() bool { return len(h.feeds) > 0 || h.log.Watched() }

// spare is how many bytes of a history may go before those of others: not those of the
// latest changes, if somebody watches, who may be about to read them.
func (h *history) spare() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	bytes := h.bytes
	if h.heard() {
		for i := max(h.n-latest, 0); i < h.n; i++ {
			bytes -= h.at(i).cost
		}
	}
	return bytes
}

// log appends a change to the history of its namespace, and keeps the histories within
// their share of the memory.
func (s *Store) log(sp *space, c change) {
	limit := maxChanges
	if s.opts.Slots > 0 {
		limit = maxSlotChanges
	}
	s.logged += sp.history.add(c, limit)
	if s.logged <= s.historyLimit() {
		return
	}
	goal := s.historyLimit() / 16 * 15
	for s.logged > goal {
		h, bytes := s.largest(sp)
		s.logged -= h.drop(min(s.logged-goal, bytes/2+1))
	}
}

// largest returns the history with most to spare of a sample of namespaces, of which one
// is given, and how much that is. Nobody else's history suffers from the one who writes
// most. Where none has anything to spare, it is the largest, with all that it has.
func (s *Store) largest(sp *space) (*history, int64) {
	h := &sp.history
	most, spare, left, looks := h, h.spare(), sample, maxLooks
	for _, other := range s.spaces {
		if other.history.bytes > most.bytes {
			most = &other.history
		}
		if bytes := other.history.spare(); bytes > 0 {
			if bytes > spare {
				h, spare = &other.history, bytes
			}
			left--
		}
		if looks--; left == 0 || looks == 0 {
			break
		}
	}
	if spare == 0 {
		return most, most.bytes
	}
	return h, spare
}
