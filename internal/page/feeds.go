package page

import (
	"context"
	"sync"
)

// feeds are the pages that somebody looks at. The zero value is ready.
type feeds struct {
	mu      sync.Mutex
	all     map[string]*feed
	viewers int
}

// feed is a page, and those who look at it.
type feed struct {
	cancel  context.CancelFunc
	viewers map[chan []byte]struct{} // each holds the newest state
	last    []byte
}

// enter counts one more viewer, if there is room.
func (f *feeds) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.viewers >= maxLive {
		return false
	}
	f.viewers++
	return true
}

func (f *feeds) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.viewers--
}

// join returns the states of the page with a key. begin, which the first who looks calls,
// returns what makes them until its ctx ends, which has the values of the first and ends
// with the last. A viewer who is slow misses states, never the last.
func (f *feeds) join(ctx context.Context, key string, begin func(ctx context.Context) func(publish func([]byte))) (states <-chan []byte, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]*feed{}
	}
	one := f.all[key]
	if one == nil {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		one = &feed{cancel: cancel, viewers: map[chan []byte]struct{}{}}
		f.all[key] = one
		run := begin(ctx)
		go run(func(state []byte) { f.publish(one, state) })
	}
	mine := make(chan []byte, 1)
	if one.last != nil {
		mine <- one.last
	}
	one.viewers[mine] = struct{}{}
	return mine, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(one.viewers, mine)
		if len(one.viewers) == 0 {
			one.cancel()
			delete(f.all, key)
		}
	}
}

func (f *feeds) publish(one *feed, state []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one.last = state
	for viewer := range one.viewers {
		select {
		case <-viewer: // what it has not seen yet
		default:
		}
		viewer <- state
	}
}
