package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"runtime/debug"
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
	states, leave := s.feeds.join(r.Context(), viewer(r.Request)+"\n"+r.Self(), func(ctx context.Context) func(func([]byte)) {
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
			if err := s.guarded(r, func() error { return v.Live(ctx, r, changed) }); ctx.Err() == nil {
				s.report(r, err) // Show tells who looks
			}
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
