package kvclient

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/micro/platform/kv-srv/internal/near"
)

// WithCache keeps items that Get, BatchGet and GetOrFill have read in memory, up to so many
// bytes with all that it takes to keep them, and answers from there. The first of these
// calls begins a watch of the whole namespace, which Close ends, and which the client must
// be allowed to make.
//
// A change by others is seen as soon as the watch delivers it, usually within
// milliseconds, and never later than 30 seconds after it was made. A watch that breaks or
// falls silent empties the cache; until another one has begun, every Get asks the service.
// An item past its time is never returned, by the clock of this machine.
//
// What a Client has returned or written it never takes back: of one key, versions do not go
// back, and a Get sees each write of the same Client that has ended before it, also one that
// failed and may have been done. GetOrFill alone may be behind, where it shares a call that
// was begun before. That there is no item is not kept.
//
// Value and Metadata of an Item are shared by all who get it: they must not be changed.
// What is appended to a Value is no change, since that copies it. Whoever has the Client
// gets what it keeps, whatever ctx says about who asks. With a backend that cannot watch,
// memcached, every Get asks the service.
func WithCache(bytes int64) Option {
	return func(c *Client) { c.near = near.New(bytes) }
}

// CacheStats is what the cache of a client has done since New, and holds now.
type CacheStats struct {
	Hits    int64
	Misses  int64
	Emptied int64 // how often a watch ended that had begun
	Items   int64
	Bytes   int64 // that they take, with overhead; an estimate
	Live    bool  // the watch has begun; if not, every Get asks the service
	Err     error // why the watch ended last; nil if it never has
}

// CacheStats returns what the cache does; zero without WithCache.
func (c *Client) CacheStats() CacheStats {
	s := c.near.Stats()
	return CacheStats{
		Hits: s.Hits, Misses: s.Misses, Emptied: s.Emptied, Items: s.Items, Bytes: s.Bytes, Live: s.Live, Err: c.follow.why(),
	}
}

// Close ends the watch of WithCache, which takes some seconds if the service is silent.
// Get goes on to ask the service. Without WithCache it does nothing. It returns nil.
func (c *Client) Close() error {
	c.follow.close()
	return nil
}

// ask must be called before the service is asked for a key, and answered after it.
func (c *Client) ask(key string) near.Fetch {
	c.follow.start(c)
	return c.near.Fetch(key)
}

// askAll asks for the keys at some indexes.
func (c *Client) askAll(keys []string, at []int) []near.Fetch {
	all := make([]near.Fetch, len(at))
	for n, i := range at {
		all[n] = c.ask(keys[i])
	}
	return all
}

// answered returns what it is given.
func (c *Client) answered(asked near.Fetch, i Item, err error) (Item, error) {
	switch {
	case err == nil:
		asked.Done(near.Item(i))
		return i, nil
	case errors.Is(err, ErrNotFound):
		asked.Missing()
	default:
		asked.Failed()
	}
	return Item{}, err
}

// follower runs the watch that keeps a cache. Its methods may be called at once; those of
// nil do nothing.
type follower struct {
	begin sync.Once // or never

	mu    sync.Mutex
	stop  context.CancelFunc
	ended chan struct{}
	err   error
}

func (f *follower) start(c *Client) {
	if f == nil {
		return
	}
	f.begin.Do(func() {
		ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // it belongs to the client, until Close
		ended := make(chan struct{})
		f.mu.Lock()
		f.stop, f.ended = stop, ended
		f.mu.Unlock()
		go func() {
			defer close(ended)
			c.near.Follow(ctx, func(ctx context.Context) iter.Seq[near.Event] { return f.watch(ctx, c) })
		}()
	})
}

// watch yields the changes of all items until it breaks.
func (f *follower) watch(ctx context.Context, c *Client) iter.Seq[near.Event] {
	watched := &Client{client: c.client, namespace: c.namespace, opts: c.opts} // near takes the events from here
	return func(yield func(near.Event) bool) {
		for e, err := range watched.Watch(ctx, "", WithProgress()) {
			if err != nil {
				f.mu.Lock()
				f.err = err
				f.mu.Unlock()
				return
			}
			gone := e.Type != EventPut // also what a newer service may tell of
			if !yield(near.Event{Progress: e.Type == EventProgress, Gone: gone, Item: near.Item(e.Item)}) {
				return
			}
		}
	}
}

func (f *follower) why() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *follower) close() {
	if f == nil {
		return
	}
	f.begin.Do(func() {}) // never
	f.mu.Lock()
	stop, ended := f.stop, f.ended
	f.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}
