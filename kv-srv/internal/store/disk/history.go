package disk

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

const (
	keptChanges = 4096    // of a namespace at least, as far as there is room
	chunkSize   = 256     // changes that are dropped together
	changeCost  = 64      // what a change counts beside its bytes
	spaceCost   = 1024    // what a namespace counts
	readSize    = 32      // changes that a watcher reads at once
	readBytes   = 1 << 20 // of them, unless one is larger
	sample      = 16      // namespaces that the largest is chosen from
)

// errReplaced means that an item was replaced whose change had no other place.
var errReplaced = errors.New("a stored change has lost its item")

// history is the latest changes, which are on disk, and who reads them.
type history struct {
	mu     sync.Mutex
	spaces map[string]*space
	over   map[string]*space // of these, those that have too much or nothing
	bytes  int64
	floor  uint64 // of the namespaces that are not here

	chunkBytes int64 // ends a chunk
}

// space is the history of a namespace.
type space struct {
	log    watching.Log
	chunks []chunk // of its changes, the oldest first
	n      int     // changes
	bytes  int64
}

// chunk is some changes that follow each other.
type chunk struct {
	last  uint64 // version of the last one
	n     int
	bytes int64
}

// space returns the history of a namespace, and makes it if there is none.
func (h *history) space(namespace string) *space {
	sp := h.spaces[namespace]
	if sp == nil {
		sp = &space{bytes: spaceCost}
		sp.log.Floor, sp.log.Last = h.floor, h.floor
		h.spaces[namespace] = sp
		h.bytes += spaceCost
	}
	return sp
}

// add counts a change that is on disk.
func (h *history) add(sp *space, version uint64, size int64) {
	if n := len(sp.chunks); n == 0 || sp.chunks[n-1].n == chunkSize || sp.chunks[n-1].bytes > h.chunkBytes {
		sp.chunks = append(sp.chunks, chunk{})
	}
	c := &sp.chunks[len(sp.chunks)-1]
	c.last, c.n, c.bytes = version, c.n+1, c.bytes+size
	sp.n++
	sp.bytes += size
	h.bytes += size
}

// publish tells watchers of changes that are on disk.
func (s *Store) publish(g *group) {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	excess := false
	for i := range g.entries {
		e := &g.entries[i]
		sp := h.space(e.namespace)
		h.add(sp, e.version, e.size)
		h.grow(sp, e.moved)
		sp.log.Changed(e.key, e.version)
		if sp.excess() {
			h.over[e.namespace] = sp
			excess = true
		}
	}
	if excess || h.bytes > s.opts.History {
		s.tend.wake()
	}
}

// grow counts an item that was replaced, and is kept with its change.
func (h *history) grow(sp *space, m moved) {
	if m.version <= sp.log.Floor {
		return
	}
	i, _ := slices.BinarySearchFunc(sp.chunks, m.version, func(c chunk, v uint64) int { return cmp.Compare(c.last, v) })
	if i == len(sp.chunks) {
		return
	}
	sp.chunks[i].bytes += m.bytes
	sp.bytes += m.bytes
	h.bytes += m.bytes
}

// floorOf returns the version up to which the changes of a namespace are not kept.
func (h *history) floorOf(namespace string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sp := h.spaces[namespace]; sp != nil {
		return sp.log.Floor
	}
	return h.floor
}

// excess tells whether the oldest chunk is not needed.
func (sp *space) excess() bool { return len(sp.chunks) > 0 && sp.n-sp.chunks[0].n >= keptChanges }

// drop drops the oldest chunk.
func (h *history) drop(sp *space) {
	c := sp.chunks[0]
	sp.chunks = sp.chunks[1:]
	sp.n -= c.n
	sp.bytes -= c.bytes
	h.bytes -= c.bytes
	sp.log.Floor = c.last
}

// trim drops changes until the history is within its bounds. It is a write like others:
// those before it in the log keep what they replace, those after it do not.
func (s *Store) trim(ctx context.Context) error {
	limit := s.opts.History
	if s.room.short() {
		limit /= 64
	}
	if !s.history.large(limit) {
		return nil
	}
	if err := s.enqueue(ctx); err != nil {
		return err
	}
	defer s.queue.mu.Unlock()
	defer s.launch()
	floors := s.history.trim(limit)
	b := s.queue.filling.batch
	var errs []error
	for namespace, floor := range floors {
		errs = append(errs, b.DeleteRange(changeKey(namespace, 0), changeKey(namespace, floor.version+1), nil))
		if floor.gone {
			errs = append(errs, b.Delete(floorKey(namespace), nil), b.Set(metaKey("floor"), encode(floor.version), nil))
		} else {
			errs = append(errs, b.Set(floorKey(namespace), encode(floor.version), nil))
		}
	}
	return errors.Join(errs...)
}

// large tells whether there is something to trim.
func (h *history) large(limit int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.over) > 0 || h.bytes > limit
}

// floor is where the history of a namespace begins, or where it ended.
type floor struct {
	version uint64
	gone    bool
}

// trim returns the namespaces whose history begins later now.
func (h *history) trim(limit int64) map[string]floor {
	h.mu.Lock()
	defer h.mu.Unlock()
	floors := make(map[string]floor)
	for name, sp := range h.over {
		for sp.excess() {
			h.drop(sp)
		}
		floors[name] = floor{version: sp.log.Floor}
	}
	clear(h.over)
	for goal := limit / 16 * 15; h.bytes > limit || len(floors) > 0 && h.bytes > goal; {
		name, sp := h.largest()
		if sp == nil {
			break
		}
		h.drop(sp)
		floors[name] = floor{version: sp.log.Floor}
	}
	h.forget(floors)
	return floors
}

// largest returns the namespace of a sample whose history is the largest. Nobody else's
// suffers from the one who writes most.
func (h *history) largest() (name string, largest *space) {
	left := sample
	for n, sp := range h.spaces {
		if len(sp.chunks) == 0 {
			continue
		}
		if largest == nil || sp.bytes > largest.bytes {
			name, largest = n, sp
		}
		if left--; left == 0 {
			break
		}
	}
	return name, largest
}

// forget drops the namespaces that have no changes and no watchers. Who watches one
// from before then is told that it missed something.
func (h *history) forget(floors map[string]floor) {
	for name := range floors {
		sp := h.spaces[name]
		if len(sp.chunks) > 0 || sp.log.Watched() {
			continue
		}
		delete(h.spaces, name)
		h.bytes -= sp.bytes
		h.floor = max(h.floor, sp.log.Last)
	}
	for name := range floors {
		if h.spaces[name] == nil {
			floors[name] = floor{version: h.floor, gone: true}
		}
	}
}

// loadHistory counts the changes that are on disk.
func (s *Store) loadHistory() error {
	h := &s.history
	var err error
	if h.floor, err = s.number(metaKey("floor")); err != nil {
		return err
	}
	err = s.scan([]byte{tagChange}, func(key, value []byte) error {
		if len(key) < 10 {
			return errRecord
		}
		namespace, version := string(key[1:len(key)-9]), binary.BigEndian.Uint64(key[len(key)-8:])
		sp := h.space(namespace)
		if sp.n == 0 { // unless its floor is below, nothing was dropped
			sp.log.Floor = min(h.floor, version-1)
		}
		h.add(sp, version, changeCost+int64(len(key)+len(value)))
		sp.log.Last = version
		return nil
	})
	if err != nil {
		return err
	}
	return s.scan([]byte{tagFloor}, func(key, value []byte) error {
		if len(value) != 8 {
			return errRecord
		}
		sp := h.space(string(key[1:]))
		sp.log.Floor = binary.BigEndian.Uint64(value)
		sp.log.Last = max(sp.log.Last, sp.log.Floor)
		h.settle(string(key[1:]), sp)
		return nil
	})
}

// scan calls yield with all keys under a prefix, in order.
func (s *Store) scan(prefix []byte, yield func(key, value []byte) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := yield(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// Watch implements store.Store. Events wait on disk, of at least 4,096 changes of a
// namespace as far as there is room: a writer waits for no watcher, and one that falls
// behind the oldest change ends with store.ErrLagging.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := watching.New(prefix)
	sp, err := s.subscribe(w, namespace, from)
	if err != nil {
		return err
	}
	s.watchers.Add(1)
	defer s.unsubscribe(w, namespace, sp)
	return w.Follow(ctx, watching.Source{
		Progress: func() store.Event { return s.history.progress(sp, w) },
		Deliver:  func(ctx context.Context) error { return s.deliver(ctx, namespace, sp, w, emit) },
		Every:    s.opts.Progress,
		Done:     s.done,
	}, emit)
}

func (s *Store) subscribe(w *watching.Watcher, namespace string, from uint64) (*space, error) {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	sp := h.space(namespace)
	if err := sp.log.Join(w, from, s.synced.Load()); err != nil {
		h.settle(namespace, sp)
		return nil, err
	}
	return sp, nil
}

func (s *Store) unsubscribe(w *watching.Watcher, namespace string, sp *space) {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	sp.log.Leave(w)
	s.watchers.Add(-1)
	h.settle(namespace, sp)
}

// settle drops a namespace that only watchers made.
func (h *history) settle(namespace string, sp *space) {
	switch {
	case len(sp.chunks) > 0 || sp.log.Watched():
	case sp.log.Floor > h.floor:
		h.over[namespace] = sp // its floor is on disk
	default:
		delete(h.over, namespace)
		delete(h.spaces, namespace)
		h.bytes -= sp.bytes
	}
}

func (h *history) progress(sp *space, w *watching.Watcher) store.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sp.log.Progress(w)
}

// deliver emits some of what a watcher has not read.
func (s *Store) deliver(ctx context.Context, namespace string, sp *space, w *watching.Watcher, emit func(store.Event) error) error {
	events, err := s.read(namespace, sp, w)
	if errors.Is(err, store.ErrLagging) {
		s.lagging.Add(1)
	}
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return err
}

// read returns the next changes that a watcher has not read, and wakes it again if
// there are more.
func (s *Store) read(namespace string, sp *space, w *watching.Watcher) ([]store.Event, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return nil, watching.ErrClosed
	}
	h := &s.history
	h.mu.Lock()
	from, last, behind := w.Position, sp.log.Last, w.Behind
	h.mu.Unlock()
	if !behind {
		return nil, nil
	}
	events, position, err := s.changes(namespace, w, from, last)
	h.mu.Lock()
	defer h.mu.Unlock()
	if from < sp.log.Floor { // it was raised before the changes went
		return nil, store.ErrLagging
	}
	if err != nil {
		return nil, damaged(err)
	}
	if w.Position = position; position < sp.log.Last {
		w.Signal()
	} else {
		w.Behind = false
	}
	return events, nil
}

// changes reads changes after a version up to a last one, and returns up to which
// version that is all.
func (s *Store) changes(namespace string, w *watching.Watcher, from, last uint64) (events []store.Event, position uint64, err error) {
	if from == math.MaxUint64 {
		return nil, last, nil
	}
	snapshot := s.db.NewSnapshot() // a change and its item are of one moment
	defer snapshot.Close()
	it, err := snapshot.NewIter(&pebble.IterOptions{LowerBound: changeKey(namespace, from+1), UpperBound: changeKey(namespace, last+1)})
	if err != nil {
		return nil, 0, err
	}
	defer it.Close()
	size := 0
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		version := binary.BigEndian.Uint64(key[len(key)-8:])
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, 0, err
		}
		if len(events) == readSize || size > readBytes {
			return events, version - 1, nil
		}
		r := reader{b: value}
		c, wanted := r.change(w.Wants)
		if r.err != nil {
			return nil, 0, r.err
		}
		if !wanted {
			continue
		}
		if c.kind == store.Put && c.rec == nil {
			if c.rec, err = load(snapshot, namespace, c.key); err != nil {
				return nil, 0, err
			}
			if c.rec == nil || c.rec.version != version {
				return nil, 0, errReplaced
			}
		}
		events = append(events, c.event(version))
		size += events[len(events)-1].Item.Size()
	}
	return events, last, it.Error()
}
