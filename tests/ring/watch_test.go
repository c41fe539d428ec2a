package ring_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

// A watcher follows the namespace, as an application does that keeps a copy of it.
type watcher struct {
	cluster *cluster
	seen    *record
	at      *caller
	stop    context.CancelFunc
	done    chan struct{}

	mu     sync.Mutex
	items  map[string]uint64 // key to version
	last   uint64            // version to go on from; 0: list again
	which  string            // what told of it
	events int
	lists  int
	lost   map[string]int // why it had to begin again
}

// watch lists the namespace, and follows it from there, at one node as long as that
// lives.
func (l *load) watch() *watcher { return l.cluster.watch(l.seen, nil) }

// watch follows the namespace at one node, or with none at any of them.
func (c *cluster) watch(seen *record, at *door) *watcher {
	t := c.t
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	from := c
	if at != nil {
		from = &cluster{t: t, begin: c.begin, doors: []*door{at}}
	}
	w := &watcher{cluster: c, seen: seen, at: from.caller(true, seen), stop: stop, done: make(chan struct{}), lost: map[string]int{}}
	go func() {
		defer close(w.done)
		w.follow(ctx)
	}()
	t.Cleanup(func() { stop(); <-w.done })
	return w
}

func (w *watcher) follow(ctx context.Context) {
	for ctx.Err() == nil {
		d := w.at.pick(w.at.cluster.known())
		err := w.begin(ctx, d.grpc)
		if err == nil {
			err = w.read(ctx, d.grpc)
		}
		if ctx.Err() != nil {
			return
		}
		w.lose(err)
		if !errors.Is(err, kvclient.ErrCompacted) {
			w.at.failed[d.address] = time.Now()
			pause(ctx, 50*time.Millisecond)
		}
	}
}

// pause lets time pass, until ctx is done at most.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// begin lists what there is, unless it is known.
func (w *watcher) begin(ctx context.Context, kv *kvclient.Client) error {
	w.mu.Lock()
	known := w.last != 0
	w.mu.Unlock()
	if known {
		return nil
	}
	items, version := map[string]uint64{}, uint64(0)
	for item, err := range kv.List(ctx, "", kvclient.KeysOnly(), kvclient.SaveVersion(&version)) {
		if err != nil {
			return err
		}
		items[item.Key] = item.Version
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items, w.last, w.which = items, version, "list"
	w.lists++
	return nil
}

func (w *watcher) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[kind(err)]++
	if errors.Is(err, kvclient.ErrCompacted) {
		w.last = 0
	}
}

func (w *watcher) read(ctx context.Context, kv *kvclient.Client) error {
	for e, err := range kv.Watch(ctx, "", kvclient.FromVersion(w.last), kvclient.WithProgress()) {
		if err != nil {
			return err
		}
		w.take(e)
	}
	return errors.New("the watch ended")
}

func (w *watcher) take(e kvclient.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Type == kvclient.EventProgress {
		if e.Version < w.last {
			w.seen.problem("watch: progress to %d after %d (%s)", e.Version, w.last, w.which)
		}
		w.last, w.which = e.Version, "progress"
		return
	}
	w.events++
	if e.Version <= w.last {
		w.seen.problem("watch: %v of %q has version %d, after %d (%s)", e.Type, e.Item.Key, e.Version, w.last, w.which)
	}
	w.last, w.which = e.Version, fmt.Sprintf("%v of %q", e.Type, e.Item.Key)
	if e.Type == kvclient.EventPut {
		w.items[e.Item.Key] = e.Item.Version
	} else {
		delete(w.items, e.Item.Key)
	}
}

// wantFinal waits, on a settled ring without a load, until the watcher has what is there.
func (w *watcher) wantFinal() {
	t := w.cluster.t
	t.Helper()
	want, err := w.cluster.items(w.cluster.alive()[0])
	if err != nil {
		t.Fatal(err)
	}
	took := await(t, "the watcher to have what is there", func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if maps.Equal(w.items, want) {
			return ""
		}
		return w.differences(want)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cluster.logf("watch: %d events, %d lists, lost %v; complete after %v", w.events, w.lists, w.lost, took.Round(time.Millisecond))
}

func (w *watcher) differences(want map[string]uint64) string {
	s, n := fmt.Sprintf("it knows %d items, want %d", len(w.items), len(want)), 0
	for key, version := range want {
		if w.items[key] != version {
			if n++; n <= 5 {
				s += fmt.Sprintf("; %s is %d, want %d", key, w.items[key], version)
			}
		}
	}
	for key, version := range w.items {
		if want[key] == 0 {
			if n++; n <= 5 {
				s += fmt.Sprintf("; %s is %d, want none", key, version)
			}
		}
	}
	return fmt.Sprintf("%s; %d differ", s, n)
}
