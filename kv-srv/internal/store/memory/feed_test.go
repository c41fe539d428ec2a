package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

func TestFeedWaitsForVersionsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNode(t, memory.Options{})
		from := s.Version()
		f := startFeed(t, s, "ns", from, all)
		if e := f.next(t); len(e.events) != 0 || e.upTo < from {
			t.Fatalf("first: got %+v, want no events", e)
		}
		first, second, third, fourth := s.Begin(), s.Begin(), s.Begin(), s.Begin()
		mustApply(t, s, put("b", second), true)
		s.End(second)
		f.want <- second
		synctest.Wait()
		select {
		case e := <-f.emits:
			t.Fatalf("emitted past version %d, which is under way: %+v", first, e)
		default:
		}
		mustApply(t, s, put("a", first), true)
		s.End(first)
		e := f.next(t)
		if len(e.events) != 2 || e.events[0].Item.Key != "a" || e.events[1].Item.Key != "b" {
			t.Fatalf("got %+v, want a and b", e.events)
		}
		if e.upTo != third-1 {
			t.Fatalf("emitted up to %d, and %d is under way", e.upTo, third)
		}
		mustApply(t, s, put("c", third), true)
		mustApply(t, s, put("d", fourth), true)
		for _, version := range []uint64{third, fourth} {
			s.End(version)
			if e := f.next(t); len(e.events) != 1 || e.events[0].Version != version {
				t.Errorf("got %+v, want version %d", e, version)
			}
		}
		failed := s.Begin()
		f.want <- failed
		synctest.Wait()
		s.End(failed)
		if e := f.next(t); len(e.events) != 0 || e.upTo < failed {
			t.Errorf("wanted %d: got %+v", failed, e)
		}
	})
}

// TestFeedOfForeignVersions: the copies of another node's reach a feed as well, if they
// are the latest.
func TestFeedOfForeignVersions(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version()
	f := startFeed(t, s, "ns", from, all)
	f.next(t)
	for i := range uint64(100) {
		mustApply(t, s, put("a", from+10*i+10), true)
		if e := f.next(t); len(e.events) != 1 || e.events[0].Version != from+10*i+10 || e.upTo < e.events[0].Version {
			t.Fatalf("got %+v, want version %d", e, from+10*i+10)
		}
	}
}

func TestFeedWants(t *testing.T) {
	s := openNode(t, memory.Options{})
	f := startFeed(t, s, "ns", s.Version(), all)
	far := f.next(t).upTo + 1_000_000
	f.want <- far
	if e := f.next(t); e.upTo < far || len(e.events) != 0 {
		t.Fatalf("wanted %d: got %+v", far, e)
	}
	f.want <- 1
	if e := f.next(t); e.upTo < far {
		t.Fatalf("goes back from %d: got %+v", far, e)
	}
	if version := s.Begin(); version <= far {
		t.Fatalf("Begin returns %d after %d was emitted", version, far)
	}
}

func TestFeedHas(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version()
	has := func(slot int) bool { return slot%2 == 0 }
	f := startFeed(t, s, "ns", from, has)
	f.next(t)
	var want, got []string
	for i := range 200 {
		key := strconv.Itoa(i)
		write(t, s, put(key, 0))
		if has(slotOf("ns", key)) {
			want = append(want, key)
		}
	}
	for len(got) < len(want) {
		for _, e := range f.next(t).events {
			if key := e.Item.Key; key != want[len(got)] {
				t.Fatalf("got %q, want %q", key, want[len(got)])
			}
			got = append(got, e.Item.Key)
		}
	}
}

// TestFeedIgnoresOthers: copies for other nodes, of which the history forgets some, do
// not make a feed lag that has read all there is for it.
func TestFeedIgnoresOthers(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	own := slotOf("ns", "own")
	f := startFeed(t, s, "ns", s.Version(), func(slot int) bool { return slot == own })
	f.next(t)
	for i := range 20_000 {
		if key := strconv.Itoa(i % 100); slotOf("ns", key) != own {
			write(t, s, put(key, 0))
		}
	}
	write(t, s, put("own", 0))
	if e := f.next(t); len(e.events) != 1 || e.events[0].Item.Key != "own" {
		t.Fatalf("got %+v, want own", e)
	}
}

func TestFeedReplays(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version()
	for i := range 1000 {
		write(t, s, put(strconv.Itoa(i), 0))
	}
	f := startFeed(t, s, "ns", from, all)
	n, last := 0, from
	for n < 1000 {
		e := f.next(t)
		if len(e.events) > 256 {
			t.Fatalf("%d events at once", len(e.events))
		}
		for _, event := range e.events {
			if event.Version <= last || event.Item.Key != strconv.Itoa(n) {
				t.Fatalf("got %q at version %d after version %d, want %d", event.Item.Key, event.Version, last, n)
			}
			last = event.Version
			n++
		}
		if e.upTo < last {
			t.Fatalf("up to %d with version %d", e.upTo, last)
		}
	}
}

// TestFeedOfEqualVersions: a batch that ends between the copies of several nodes leaves
// none out.
func TestFeedOfEqualVersions(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version()
	for i := range uint64(300) {
		mustApply(t, s, put(strconv.FormatUint(i, 10), from+1+min(i, 253)), true)
	}
	f := startFeed(t, s, "ns", from, all)
	if e := f.next(t); len(e.events) != 253 || e.upTo != from+253 {
		t.Fatalf("first: got %d events up to %d, want 253 up to %d", len(e.events), e.upTo, from+253)
	}
}

func TestFeedFromAhead(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version() + 1_000_000
	f := startFeed(t, s, "ns", from, all)
	if e := f.next(t); e.upTo < from {
		t.Fatalf("from %d: got %+v", from, e)
	}
	if version := s.Begin(); version <= from {
		t.Errorf("Begin returns %d after a feed from %d", version, from)
	}
}

// TestFeedAfterOldCopies: copies from before the store was there do not make its history
// look longer than it is.
func TestFeedAfterOldCopies(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	for i := range uint64(200) {
		mustApply(t, s, put("old/"+strconv.FormatUint(i, 10), 1000-i), true)
	}
	for i := range 2000 {
		write(t, s, put(strconv.Itoa(i%10), 0))
		err := s.Feed(t.Context(), "ns", 900, all, nil, func([]store.Event, uint64) error { return errors.New("emitted") })
		if !errors.Is(err, store.ErrCompacted) {
			t.Fatalf("after %d writes: got %v, want %v", i, err, store.ErrCompacted)
		}
	}
}

// TestFeedsLeaveNothing: what a feed has made and takes goes when it has ended.
func TestFeedsLeaveNothing(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	stop := errors.New("stop")
	for i := range 10_000 {
		err := s.Feed(t.Context(), "ns-"+strconv.Itoa(i), s.Version(), all, nil, func([]store.Event, uint64) error { return stop })
		if !errors.Is(err, stop) {
			t.Fatalf("feed %d: got %v, want %v", i, err, stop)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := openNode(t, memory.Options{})
		version, before := s.Begin(), heap()
		for range 100 {
			waitInVain(t, s, version)
		}
		if grown := heap() - before; grown > 50*vain {
			t.Errorf("100 feeds that waited leave %d bytes", grown)
		}
		s.End(version)
	})
}

const vain = 1 << 20

// waitInVain runs a feed, which holds much, until it waits for a version.
func waitInVain(t *testing.T, s *memory.Store, version uint64) {
	t.Helper()
	much, want, result := make([]byte, vain), make(chan uint64, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	want <- version
	go func() {
		has := func(slot int) bool { return much[slot] == 0 }
		result <- s.Feed(ctx, "ns", version-1, has, want, func([]store.Event, uint64) error { return nil })
	}()
	synctest.Wait()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestFeedEnds(t *testing.T) {
	current := goleak.IgnoreCurrent()
	clock := newClock()
	s := memory.Open(memory.Options{Slots: slots, Hash: hash, Now: clock.now})
	none := func([]store.Event, uint64) error { return nil }
	stop := errors.New("stop")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ahead := uint64(clock.now().Add(2*time.Hour).UnixMicro()) << 8
	for _, c := range []struct {
		name string
		ctx  context.Context
		from uint64
		emit func([]store.Event, uint64) error
		want error
	}{
		{"context", ctx, s.Version(), none, context.Canceled},
		{"emit", t.Context(), s.Version(), func([]store.Event, uint64) error { return stop }, stop},
		{"compacted", t.Context(), 1, none, store.ErrCompacted},
		{"of another ring", t.Context(), ahead, none, store.ErrCompacted},
	} {
		if err := s.Feed(c.ctx, "ns", c.from, all, nil, c.emit); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if s.Version() >= ahead {
		t.Error("a version of another ring is taken over")
	}
	result, began := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		result <- s.Feed(t.Context(), "ns", s.Version(), all, nil, func([]store.Event, uint64) error {
			began <- struct{}{}
			return nil
		})
	}()
	<-began
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, watching.ErrClosed) {
		t.Errorf("closed: got %v, want %v", err, watching.ErrClosed)
	}
	if st := s.Stats(); st.Watchers != 0 {
		t.Errorf("%d watchers are left", st.Watchers)
	}
	goleak.VerifyNone(t, current)
}

func TestFeedLags(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	f := startFeed(t, s, "ns", s.Version(), all)
	f.next(t) // nobody receives what follows
	for i := range 10_000 {
		write(t, s, put(strconv.Itoa(i%100), 0))
	}
	if err := f.ends(t); !errors.Is(err, store.ErrLagging) {
		t.Errorf("got %v, want %v", err, store.ErrLagging)
	}
}

// TestOverwrittenInTime: an item that ends while a write to it is under way did not end.
func TestOverwrittenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{Slots: slots, Hash: hash})
		defer s.Close()
		from := s.Version()
		for _, key := range []string{"a", "b"} {
			c := put(key, 0)
			c.Item.Expires = time.Now().Add(time.Minute)
			write(t, s, c)
		}
		time.Sleep(59 * time.Second)
		version := s.Begin()
		time.Sleep(2 * time.Second)
		if got := s.Stats().Expired; got != 2 {
			t.Fatalf("%d items expired, want 2", got)
		}
		mustApply(t, s, put("a", version), true)
		s.End(version)
		var got []store.Event
		stop := errors.New("stop")
		err := s.Feed(t.Context(), "ns", from, all, nil, func(events []store.Event, _ uint64) error {
			got = append(got, events...)
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		want := []struct {
			kind store.Kind
			key  string
		}{{store.Put, "a"}, {store.Put, "b"}, {store.Put, "a"}, {store.Expired, "b"}}
		if len(got) != len(want) {
			t.Fatalf("got %+v", got)
		}
		for i, w := range want {
			if got[i].Kind != w.kind || got[i].Item.Key != w.key {
				t.Errorf("event %d: got %v of %q, want %v of %q", i, got[i].Kind, got[i].Item.Key, w.kind, w.key)
			}
		}
		if item, _, _ := s.Look("ns", "a", request.Name{}); item.Version != version {
			t.Errorf("a is at version %d, want %d", item.Version, version)
		}
	})
}

// history is what writers did, for the one who compares a feed with it.
type history struct {
	mu     sync.Mutex
	events map[uint64]store.Event
}

func (h *history) add(e store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events[e.Version] = e
}

// writeMuch writes with pauses between Begin, Apply and End; some writes fail.
func (h *history) writeMuch(t *testing.T, s *memory.Store, key string, writes int) {
	for i := range writes {
		c := put(key, 0)
		c.Gone = i%7 == 6
		version := s.Begin()
		pause()
		if rand.IntN(10) > 0 {
			kind := store.Put
			if c.Item.Version = version; c.Gone {
				kind = store.Deleted
			} else if rand.IntN(5) == 0 {
				c.Item.Expires = time.Now().Add(time.Duration(rand.IntN(3)) * time.Millisecond)
			}
			h.add(store.Event{Kind: kind, Version: version, Item: store.Item{Key: key, Expires: c.Item.Expires}})
			if _, err := s.Apply(c); err != nil {
				t.Error(err)
			}
		}
		pause()
		s.End(version)
	}
}

func pause() {
	for range rand.IntN(50) {
		runtime.Gosched()
	}
}

// TestFeedIsComplete: while many write and items end, a feed is in order, misses
// nothing, and emits nothing that is no later than what it has promised to be complete.
func TestFeedIsComplete(t *testing.T) {
	const writers, writes = 8, 400
	s := openNode(t, memory.Options{})
	from := s.Version()
	h := history{events: make(map[uint64]store.Event)}
	var group sync.WaitGroup
	f := startFeed(t, s, "ns", from, all)
	for w := range writers {
		group.Go(func() { h.writeMuch(t, s, "key/"+strconv.Itoa(w), writes) })
	}
	written := make(chan struct{})
	go func() {
		group.Wait()
		close(written)
	}()
	seen, upTo, goal := make(map[uint64]store.Event), from, uint64(0)
	for goal == 0 || upTo < goal {
		if rand.IntN(20) == 0 {
			select {
			case f.want <- s.Version():
			default:
			}
		}
		select {
		case <-written:
			goal, written = s.Begin(), nil
			s.End(goal)
			f.want <- goal
		case e := <-f.emits:
			last := upTo
			for _, event := range e.events {
				if event.Version <= last {
					t.Fatalf("version %d after %d", event.Version, last)
				}
				last = event.Version
				seen[last] = event
			}
			if e.upTo < last {
				t.Fatalf("up to %d with version %d", e.upTo, last)
			}
			upTo = e.upTo
		case err := <-f.result:
			t.Fatal(err)
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing after version %d", upTo)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for version, want := range h.events {
		got, ok := seen[version]
		// A write that was past its time when it was applied ends what was there, if anything.
		if !want.Item.Expires.IsZero() && (!ok || got.Kind == store.Expired) {
			continue
		}
		if !ok || got.Kind != want.Kind || got.Item.Key != want.Item.Key {
			t.Errorf("version %d: got %+v (%t), want %+v", version, got, ok, want)
		}
	}
	for version, got := range seen {
		if _, ok := h.events[version]; !ok && got.Kind != store.Expired {
			t.Errorf("nobody wrote %+v", got)
		}
	}
}
