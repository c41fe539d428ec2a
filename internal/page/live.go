package page

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	liveSuffix  = ".live"
	entrySuffix = ".entry"

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
	states, leave := s.feeds.join(viewer(r.Request)+"\n"+r.Self(), func(ctx context.Context, publish func([]byte)) {
		s.feed(ctx, s.request(r.Clone(ctx)), v, publish)
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
			_ = v.Live(ctx, r, changed) // Show says what is wrong
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
		if state := s.state(ctx, r, v); !bytes.Equal(state, last) {
			last = state
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

// state is what the live part of a page has now.
func (s *Site) state(ctx context.Context, r *Request, v View) []byte {
	name := v.Name + liveSuffix
	c, err := v.Show(ctx, r)
	if err != nil {
		name, c = "trouble", Content{Data: known(err)}
	}
	html, err := s.part(name, &scope{Request: r, Data: c.Data})
	if err == nil && s.conf.Nav != nil {
		var nav template.HTML
		nav, err = s.part("nav.live", &scope{Request: r, Data: s.nav(r, "")})
		html += nav
	}
	if err != nil {
		s.conf.Log.ErrorContext(ctx, "page", "page", r.URL.Path, "error", err)
	}
	return []byte(html)
}

// follow sends entries as they come, those of a tenth of a second together.
func (s *Site) follow(r *Request, v View, out *stream) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	entries, end := make(chan []byte), make(chan error, 1)
	go func() { // ends with ctx
		end <- v.Follow(ctx, r, func(entry any) error {
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
		})
	}()
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
			if r.Context().Err() == nil && why != nil {
				b.fail(why)
			}
			_ = b.send(out) // it ends either way
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

func (b *batch) fail(why error) {
	html, err := b.site.part("ended", &scope{Request: b.r, Data: known(why)})
	if err == nil {
		b.add([]byte(html))
	}
}

// send sends the newest first: each goes in front of what is there.
func (b *batch) send(out *stream) error {
	if len(b.entries) == 0 {
		return nil
	}
	var all bytes.Buffer
	for _, v := range slices.Backward(b.entries) {
		all.Write(v)
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

// join returns the states of the page with a key. run makes them, as long as somebody
// looks. A viewer who is slow misses states, never the last.
func (f *feeds) join(key string, run func(ctx context.Context, publish func([]byte))) (states <-chan []byte, leave func()) {
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
		go run(ctx, func(state []byte) { f.publish(one, state) })
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
