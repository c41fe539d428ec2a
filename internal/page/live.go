package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/micro/platform/internal/rpcerr"
)

const (
	liveSuffix  = ".live"
	entrySuffix = ".entry"

	closing = "ended" // the event after which a browser does not ask again

	pace     = 500 * time.Millisecond // between two states of a page at least
	retry    = time.Second            // until a Live that has failed is tried again
	silence  = 15 * time.Second       // until a browser is shown that the server is there
	maxLive  = 1000                   // pages that follow at once
	maxBatch = 200                    // entries at once; of more the newest are shown
)

// Every makes a page follow what has no events of its own.
func Every(d time.Duration) func(context.Context, *Request, func()) error {
	return func(ctx context.Context, _ *Request, changed func()) error {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				changed()
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// events sends a page's changes until its browser leaves, or the server stops.
func (s *Site) events(w http.ResponseWriter, r *Request, v View) {
	if !s.feeds.enter() {
		http.Error(w, "too many pages follow at once", http.StatusServiceUnavailable)
		return
	}
	defer s.feeds.leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	out := &stream{w: w, conn: http.NewResponseController(w)}
	if v.Follow != nil {
		s.follow(r, v, out)
		return
	}
	states, leave := s.feeds.join(viewer(r.Request)+"\n"+r.Self(), func(ctx context.Context) func(func([]byte)) {
		own := s.request(r.Clone(ctx)) // it outlives r
		return func(publish func([]byte)) { s.feed(ctx, own, v, publish) }
	})
	defer leave()
	alive := time.NewTicker(silence)
	defer alive.Stop()
	for err := out.comment(); err == nil; {
		select {
		case state := <-states:
			err = out.event("live", state)
		case <-alive.C:
			err = out.comment()
		case <-r.Context().Done():
			return
		}
	}
}

// feed publishes the states of a page, until ctx ends.
func (s *Site) feed(ctx context.Context, r *Request, v View, publish func([]byte)) {
	dirty := make(chan struct{}, 1)
	changed := func() {
		select {
		case dirty <- struct{}{}:
		default: // it is already
		}
	}
	changed()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() {
		for ctx.Err() == nil {
			// Show says what else is wrong.
			_ = s.guarded(r, func() error { return v.Live(ctx, r, changed) })
			wait(ctx, retry)
			changed()
		}
	})
	var last []byte
	for {
		select {
		case <-dirty:
		case <-ctx.Done():
			return
		}
		state, err := s.state(ctx, r, v)
		if last == nil || !bytes.Equal(state, last) {
			last = state
			s.report(r, err)
			publish(state)
		}
		wait(ctx, pace)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// state is what the live part of a page has now, and what it says of an error.
func (s *Site) state(ctx context.Context, r *Request, v View) ([]byte, error) {
	var c Content
	err := s.guarded(r, func() (err error) {
		c, err = v.Show(ctx, r)
		return err
	})
	var html template.HTML
	if err == nil {
		html, err = s.part(v.Name+liveSuffix, &scope{Request: r, Data: c.Data})
	}
	if err == nil && s.conf.Nav != nil {
		var nav template.HTML
		nav, err = s.part("nav.live", &scope{Request: r, Data: s.nav(r, "")})
		html += nav
	}
	if err == nil {
		return []byte(html), nil
	}
	html, wrong := s.part("trouble", &scope{Request: r, Data: known(err)})
	return []byte(html), errors.Join(err, wrong)
}

// report logs an error whose reader is told nothing of it.
func (s *Site) report(r *Request, err error) {
	if err != nil && known(err).Hidden() {
		s.conf.Log.ErrorContext(r.Context(), "page", "page", r.URL.Path, "error", err)
	}
}

// guarded makes an error of a panic, which elsewhere net/http survives.
func (s *Site) guarded(r *Request, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.conf.Log.ErrorContext(r.Context(), "a page panicked", "page", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			err = rpcerr.Fault("panic", fmt.Errorf("panic: %v", p))
		}
	}()
	return f()
}

// follow sends entries as they come, those of a tenth of a second together.
func (s *Site) follow(r *Request, v View, out *stream) {
	var source sync.WaitGroup
	defer source.Wait()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	entries, end := make(chan []byte), make(chan error, 1)
	source.Go(func() {
		emit := func(entry any) error {
			html, err := s.part(v.Name+entrySuffix, &scope{Request: r, Data: entry})
			if err != nil {
				return err
			}
			select {
			case entries <- []byte(html):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		end <- s.guarded(r, func() error { return v.Follow(ctx, r, emit) })
	})
	b := batch{site: s, r: r}
	tick, alive := time.NewTicker(100*time.Millisecond), time.NewTicker(silence)
	defer tick.Stop()
	defer alive.Stop()
	for err := out.comment(); err == nil; {
		select {
		case e := <-entries:
			b.add(e)
		case <-tick.C:
			err = b.send(out)
		case <-alive.C:
			err = out.comment()
		case why := <-end:
			b.end(out, why)
			return
		}
	}
}

// batch is entries that were not sent yet.
type batch struct {
	site    *Site
	r       *Request
	entries [][]byte
	left    int // out: more than maxBatch came at once
}

func (b *batch) add(entry []byte) {
	if len(b.entries) == maxBatch {
		b.entries = b.entries[1:]
		b.left++
	}
	b.entries = append(b.entries, entry)
}

// end sends what is left, and why no more comes. Without a reason the browser asks again.
func (b *batch) end(out *stream, why error) {
	tell := why != nil && b.r.Context().Err() == nil
	if tell {
		b.site.report(b.r, why)
		html, err := b.site.part("ended", &scope{Request: b.r, Data: known(why)})
		b.site.report(b.r, err)
		b.add([]byte(html))
	}
	if err := b.send(out); err == nil && tell {
		_ = out.event(closing, nil) // it ends either way
	}
}

// send sends the newest first: each goes in front of what is there.
func (b *batch) send(out *stream) error {
	if len(b.entries) == 0 {
		return nil
	}
	var all bytes.Buffer
	for _, entry := range slices.Backward(b.entries) {
		all.Write(entry)
	}
	if b.left > 0 {
		html, err := b.site.part("left", &scope{Request: b.r, Data: b.left})
		if err != nil {
			return err
		}
		all.WriteString(string(html))
	}
	b.entries, b.left = nil, 0
	return out.event("entry", all.Bytes())
}

// stream is server-sent events (HTML Living Standard, 9.2).
type stream struct {
	w    http.ResponseWriter
	conn *http.ResponseController
}

func (s *stream) event(name string, html []byte) error {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	for line := range strings.Lines(strings.ReplaceAll(string(html), "\r", "&#13;")) {
		b.WriteString("data: " + strings.TrimSuffix(line, "\n") + "\n")
	}
	if len(html) == 0 {
		b.WriteString("data:\n") // without data it would be none
	}
	b.WriteString("\n")
	return s.write(b.Bytes())
}

// comment shows both sides that the other is there.
func (s *stream) comment() error { return s.write([]byte(": \n\n")) }

func (s *stream) write(b []byte) error {
	_, err := s.w.Write(b)
	return errors.Join(err, s.conn.Flush())
}

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
// returns what makes them until ctx ends with the last. A viewer who is slow misses
// states, never the last.
func (f *feeds) join(key string, begin func(ctx context.Context) func(publish func([]byte))) (states <-chan []byte, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]*feed{}
	}
	one := f.all[key]
	if one == nil {
		ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // it outlives the first who looks, and ends with the last
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
