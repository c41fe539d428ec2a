package near

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// Event is a message of a watch.
type Event struct {
	Progress bool // the first one says that no later change is missed
	Gone     bool // what Item names by its key is not there any more
	Item     Item // as written; of one that is gone only Key and Version
}

// Watch is one run of a watch. The next one ends it.
type Watch struct{ cache *Cache }

// Begin begins a watch. It keeps nothing before its first progress.
func (c *Cache) Begin() *Watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.empty()
	c.watch = &Watch{cache: c}
	return c.watch
}

// See takes an event, in the order in which they come. What is kept under its key gives
// its place to the event's item, and is still asked for again after Bound: a watch that is
// late may bring old news.
func (w *Watch) See(e Event) {
	c := w.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch != w {
		return
	}
	if e.Progress {
		c.live.Store(true)
		return
	}
	c.see(e.Item.Key, e.Item.Version)
	old, ok := c.kept(e.Item.Key)
	switch {
	case !ok || old.Version > e.Item.Version:
	case e.Gone:
		c.items.Invalidate(e.Item.Key)
	default:
		c.items.Set(e.Item.Key, newEntry(e.Item, old.since))
	}
}

// End forgets all items. What the watch sees from now on is ignored.
func (w *Watch) End() {
	c := w.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch == w {
		c.empty()
		c.watch = nil
	}
}

func (c *Cache) empty() {
	if c.live.Swap(false) {
		c.emptied.Add(1)
	}
	clear(c.pending)
	c.items.InvalidateAll()
}

const (
	// silence is how long a watch may say nothing. The service says something every 30
	// seconds at least.
	silence = 40 * time.Second

	// The pauses between watches.
	shortest, longest = 100 * time.Millisecond, 10 * time.Second
)

// Follow keeps the cache by a watch, until ctx is done. One that ends, or is silent for 40
// seconds, empties the cache at once, and another is begun after a while: 100 milliseconds,
// and up to 10 seconds if that fails as well. Each takes half of it to all, at random.
//
// watch must end soon after its context.
func (c *Cache) Follow(ctx context.Context, watch func(context.Context) iter.Seq[Event]) {
	for pause := shortest; ctx.Err() == nil; pause = min(2*pause, longest) {
		if c.follow(ctx, watch) > longest {
			pause = shortest
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // nothing to guess
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// follow does one watch and returns how long it told of every change.
func (c *Cache) follow(ctx context.Context, watch func(context.Context) iter.Seq[Event]) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := c.Begin()
	defer w.End()
	// A watch may take its time to end with its context.
	leave := context.AfterFunc(ctx, w.End)
	defer leave()
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	var since time.Time
	for e := range watch(ctx) {
		silent.Reset(silence)
		if e.Progress && since.IsZero() {
			since = time.Now()
		}
		w.See(e)
	}
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}
