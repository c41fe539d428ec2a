package ring_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// watch is a watch of a node, and what it has seen.
type watch struct {
	begun chan struct{}
	ended chan error

	mu   sync.Mutex
	seen []store.Event
}

// follow begins to watch, and returns when no later change can be missed.
func follow(t *testing.T, n *node, from uint64, each func()) *watch {
	t.Helper()
	w := &watch{begun: make(chan struct{}), ended: make(chan error, 1)}
	begun := sync.OnceFunc(func() { close(w.begun) })
	go func() {
		w.ended <- n.Watch(t.Context(), ns, "", from, func(e store.Event) error {
			begun()
			if e.Kind == store.Progress {
				return nil
			}
			w.mu.Lock()
			w.seen = append(w.seen, e)
			w.mu.Unlock()
			each()
			return nil
		})
	}()
	select {
	case <-w.begun:
	case err := <-w.ended:
		t.Fatalf("watch from %d: %v", from, err)
	case <-time.After(20 * time.Second):
		t.Fatal("a watch does not begin")
	}
	return w
}

// sees waits until a version was seen, and checks that all acknowledged ones were, in their
// order and once.
func (w *watch) sees(t *testing.T, want map[uint64]string, last uint64) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		w.mu.Lock()
		there := len(w.seen) > 0 && w.seen[len(w.seen)-1].Version >= last
		w.mu.Unlock()
		if there {
			break
		}
		select {
		case err := <-w.ended:
			t.Fatalf("a watch ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("version %d is not told", last)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before, found := uint64(0), 0
	for _, e := range w.seen {
		if e.Version <= before {
			t.Errorf("version %d after %d", e.Version, before)
		}
		before = e.Version
		if key, ok := want[e.Version]; ok && key == e.Item.Key {
			found++
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d acknowledged changes were told", found, len(want))
	}
}

// countFeeds counts the feeds that a node has open at others.
func countFeeds(open *atomic.Int64) func(*ring.Options) {
	return func(o *ring.Options) {
		o.Dial = func(address string) (*grpc.ClientConn, error) {
			return dialWith(address, grpc.WithStreamInterceptor(func(
				ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				if desc.StreamName == "Feed" {
					open.Add(1)
					context.AfterFunc(ctx, func() { open.Add(-1) })
				}
				return next(ctx, desc, cc, method, opts...)
			}))
		}
	}
}

// TestSharedFeeds: all who watch a namespace at a node share one feed of each other node.
// Who reads slowly lags, and nobody else.
func TestSharedFeeds(t *testing.T) {
	var feeds atomic.Int64
	all := newRing(t, 3, countFeeds(&feeds))
	hold := make(chan struct{})
	slow := follow(t, all[0], 0, func() { <-hold })
	var quick []*watch
	for range 50 {
		quick = append(quick, follow(t, all[0], 0, func() {}))
	}
	if got := feeds.Load(); got != 2 {
		t.Errorf("%d feeds are open, want 2", got)
	}
	want, last := map[uint64]string{}, uint64(0)
	for i := range 24 { // more than a hub keeps
		key := "k" + strconv.Itoa(i%3)
		version, err := all[i%3].Put(t.Context(), ns, store.Write{Key: key, Value: make([]byte, 1<<20)})
		if err != nil {
			t.Fatal(err)
		}
		want[version], last = key, version
	}
	for _, w := range quick {
		w.sees(t, want, last)
	}
	close(hold)
	if err := <-slow.ended; !errors.Is(err, store.ErrLagging) {
		t.Errorf("who reads slowly: got %v, want %v", err, store.ErrLagging)
	}
}

// TestFullHub: a change costs no more once a hub has dropped older ones.
func TestFullHub(t *testing.T) {
	n, seen := newRing(t, 1)[0], make(chan struct{})
	follow(t, n, 0, func() {
		select {
		case seen <- struct{}{}:
		case <-t.Context().Done():
		}
	})
	const kept, more = 4096, 1000
	var before, after runtime.MemStats
	for i := range kept + more {
		if i == kept {
			runtime.ReadMemStats(&before)
		}
		put(t, n, "k", strconv.Itoa(i))
		select {
		case <-seen:
		case <-time.After(20 * time.Second):
			t.Fatal("a change is not told")
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / more; each > 100<<10 {
		t.Errorf("a change allocates %d bytes", each)
	}
}

// write writes until stop, and returns what was acknowledged.
func write(t *testing.T, n *node, stop <-chan struct{}) (want map[uint64]string, last uint64) {
	want = map[uint64]string{}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return want, last
		default:
		}
		key := fmt.Sprint("w", i%97)
		version, err := n.Put(t.Context(), ns, store.Write{Key: key, RequestID: strconv.Itoa(i)})
		if err != nil {
			t.Errorf("put %d: %v", i, err)
			return want, last
		}
		want[version], last = key, version
	}
}

// TestWatchOverChanges: who watches hears of every acknowledged write, in order and once,
// while a node is lost and another one joins.
func TestWatchOverChanges(t *testing.T) {
	all := newRing(t, 3)
	watches := []*watch{follow(t, all[0], 0, func() {}), follow(t, all[1], 0, func() {})}
	stop, done := make(chan struct{}), make(chan func(*watch), 1)
	go func() {
		want, last := write(t, all[0], stop)
		done <- func(w *watch) { w.sees(t, want, last) }
	}()
	all[2].end(t)
	settle(t, all[:2]...)
	settle(t, all[0], all[1], join(t, all[0]))
	close(stop)
	check := <-done
	for _, w := range watches {
		check(w)
	}
}

// TestWatchFromBefore: who watches from a version of before the first watcher gets all
// changes since, while writers go on.
func TestWatchFromBefore(t *testing.T) {
	all := newRing(t, 3)
	from, want, last := put(t, all[0], "first", ""), map[uint64]string{}, uint64(0)
	for i := range 300 {
		key := "k" + strconv.Itoa(i)
		last = put(t, all[i%3], key, "")
		want[last] = key
	}
	follow(t, all[0], 0, func() {})
	stop, done := make(chan struct{}), make(chan func(*watch), 1)
	go func() {
		more, last := write(t, all[1], stop)
		maps.Copy(want, more)
		done <- func(w *watch) { w.sees(t, want, last) }
	}()
	early := follow(t, all[0], from, func() {})
	for range 20 {
		last = put(t, all[0], "more", strconv.FormatUint(last, 10))
	}
	close(stop)
	(<-done)(early)
}

// TestWatchFromFuture: no version of this ring.
func TestWatchFromFuture(t *testing.T) {
	all := newRing(t, 2)
	from := put(t, all[0], "k", "v") + 1<<40
	err := all[1].Watch(t.Context(), ns, "", from, func(store.Event) error { return nil })
	if !errors.Is(err, store.ErrCompacted) {
		t.Errorf("got %v, want %v", err, store.ErrCompacted)
	}
}
