package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

const (
	block = 2 * time.Second        // how long one request waits for changes
	pause = 200 * time.Millisecond // before Redis is asked again when it was away
	chunk = 128                    // how many changes are read at once

	// What a feed keeps of the last changes.
	maxRecent      = 1024
	maxRecentBytes = 4 << 20
)

// errGap says that there were changes that the log of a namespace no longer has.
var errGap = errors.New("changes are gone")

// change is an entry of the log.
type change struct {
	before uint64 // version of the change before it
	event  store.Event
	size   int
}

// feed is the changes of a namespace as they come.
type feed struct {
	namespace string
	done      chan struct{} // closed when no more come
	broken    bool          // why: changes are gone; to be read after done

	users int // under the lock of the store

	mu     sync.Mutex
	log    watching.Log
	recent []change // the last ones, without a gap
	floor  uint64   // version before the first of them
	bytes  int      // of them
}

// join returns the feed of a namespace, which it begins at a version if there is none.
func (s *Store) join(namespace string, at uint64) (*feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, errClosed
	}
	f := s.feeds[namespace]
	if f == nil {
		f = &feed{namespace: namespace, done: make(chan struct{}), floor: at}
		f.log.Last = at
		s.feeds[namespace] = f
		s.works.Go(func() { s.follow(f) })
	}
	f.users++
	return f, nil
}

func (s *Store) leave(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
}

// unused ends a feed that nobody uses.
func (s *Store) unused(f *feed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users == 0 {
		s.drop(f)
	}
	return f.users == 0
}

// drop makes the next watcher begin another feed.
func (s *Store) drop(f *feed) {
	if s.feeds[f.namespace] == f {
		delete(s.feeds, f.namespace)
	}
}

// follow reads changes until nobody uses the feed, some are gone, or the store is closed.
func (s *Store) follow(f *feed) {
	defer close(f.done)
	for !s.unused(f) && s.ctx.Err() == nil {
		changes, err := s.await(f)
		if err != nil && !errors.Is(err, errGap) { // Redis was away, and may come back without its last changes
			wait(s.ctx, s.ctx, pause)
			_, err = s.begin(s.ctx, f.namespace, f.log.Last)
		}
		if errors.Is(err, errGap) || errors.Is(err, store.ErrCompacted) {
			s.mu.Lock()
			f.broken = true
			s.drop(f)
			s.mu.Unlock()
			return
		}
		f.append(changes)
	}
}

// await waits for changes.
func (s *Store) await(f *feed) ([]change, error) {
	streams, err := s.waiting.XRead(s.ctx, &redis.XReadArgs{
		Streams: []string{logKey(f.namespace), entryID(f.log.Last)}, Count: chunk, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil || len(streams) != 1 {
		return nil, err
	}
	return changesOf(streams[0].Messages, f.log.Last)
}

// read reads older changes.
func (s *Store) read(ctx context.Context, namespace string, after uint64) ([]change, error) {
	ctx, cancel, err := hurry(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	entries, err := s.client.XRangeN(ctx, logKey(namespace), "("+entryID(after), "+", chunk).Result()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errGap
	}
	return changesOf(entries, after)
}

// changesOf reads entries that must follow the change of a version.
func changesOf(entries []redis.XMessage, before uint64) ([]change, error) {
	changes := make([]change, 0, len(entries))
	for _, entry := range entries {
		c, err := changeOf(entry)
		if err != nil {
			return nil, err
		}
		if c.before != before {
			return nil, errGap
		}
		before = c.event.Version
		changes = append(changes, c)
	}
	return changes, nil
}

func entryID(version uint64) string { return strconv.FormatUint(version, 10) + "-0" }

func changeOf(entry redis.XMessage) (c change, err error) {
	field := func(name string) string {
		text, _ := entry.Values[name].(string)
		return text
	}
	key, record := field("i"), field("r")
	c.event = store.Event{Item: store.Item{Key: key}}
	c.size = len(key) + len(record)
	if c.before, err = strconv.ParseUint(field("p"), 10, 64); err != nil {
		return c, fmt.Errorf("change %s is not one of ours: %w", entry.ID, err)
	}
	if c.event.Version, err = strconv.ParseUint(strings.TrimSuffix(entry.ID, "-0"), 10, 64); err != nil {
		return c, fmt.Errorf("change %s is not one of ours: %w", entry.ID, err)
	}
	switch kind := field("k"); kind {
	case "p":
		c.event.Kind = store.Put
		c.event.Item, err = decode(key, []byte(record))
	case "d":
		c.event.Kind = store.Deleted
	case "x":
		c.event.Kind = store.Expired
	default:
		err = fmt.Errorf("change %s is of no kind of ours: %q", entry.ID, kind)
	}
	return c, err
}

// append adds changes, and wakes who watches them.
func (f *feed) append(changes []change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changes {
		f.recent = append(f.recent, c)
		f.bytes += c.size
		f.log.Changed(c.event.Item.Key, c.event.Version)
	}
	if len(f.recent) > maxRecent || f.bytes > maxRecentBytes {
		f.forget()
	}
}

// forget forgets the older half of the changes. Views may be reading them.
func (f *feed) forget() {
	old := 0
	for ; len(f.recent)-old > maxRecent/2 || f.bytes > maxRecentBytes/2 && len(f.recent)-old > 1; old++ {
		f.floor = f.recent[old].event.Version
		f.bytes -= f.recent[old].size
	}
	f.recent = slices.Clone(f.recent[old:])
}

// add adds a view, which may be behind.
func (f *feed) add(v *view) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.log.Join(v.watcher, v.at, v.at) // begin has checked the version
}

func (f *feed) remove(v *view) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log.Leave(v.watcher)
}

// after returns changes that a view has not seen, and whether they are recent enough to be
// here. If it returns all, the view is no longer behind.
func (f *feed) after(v *view) (changes []change, recent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := v.watcher
	v.at = max(v.at, w.Position)
	if v.at < f.floor {
		return nil, false
	}
	first := sort.Search(len(f.recent), func(i int) bool { return f.recent[i].event.Version > v.at })
	changes = f.recent[first:]
	if len(changes) > chunk {
		changes = changes[:chunk]
		w.Signal()
	} else {
		w.Position, w.Behind = max(v.at, f.log.Last), false
	}
	return changes, true
}

// wait waits, or until one of two contexts is done.
func wait(ctx, other context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-other.Done():
	case <-timer.C:
	}
}
