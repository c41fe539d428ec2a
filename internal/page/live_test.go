package page_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// viewer is a browser that follows a page.
type viewer struct {
	header http.Header
	leave  context.CancelFunc
	done   chan struct{} // closed once the server has left, too

	mu   sync.Mutex
	code int
	got  bytes.Buffer
	busy chan struct{} // not nil: it reads nothing until that is closed
}

func (v *viewer) Header() http.Header { return v.header }
func (v *viewer) WriteHeader(code int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.code = code
}
func (*viewer) Flush() {}

func (v *viewer) Write(b []byte) (int, error) {
	v.mu.Lock()
	busy := v.busy
	v.mu.Unlock()
	if busy != nil {
		<-busy
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got.Write(b)
}

// pause makes it read nothing until the function that it returns is called.
func (v *viewer) pause() (resume func()) {
	busy := make(chan struct{})
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy = busy
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.busy = nil
		close(busy)
	}
}

// raw is what it has got since the last call.
func (v *viewer) raw() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer v.got.Reset()
	return v.got.String()
}

// events are those that it has got since the last call, each as "name: data".
func (v *viewer) events() []string {
	var all []string
	for block := range strings.SplitSeq(v.raw(), "\n\n") {
		var name string
		var data []string
		for line := range strings.SplitSeq(block, "\n") {
			if value, ok := strings.CutPrefix(line, "event: "); ok {
				name = value
			} else if value, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(value, " "))
			}
		}
		if data != nil { // else a browser drops it
			all = append(all, name+": "+strings.Join(data, "\n"))
		}
	}
	return all
}

func look(t *testing.T, h http.Handler, target string, header ...string) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &viewer{header: http.Header{}, leave: cancel, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	go func() {
		defer close(v.done)
		h.ServeHTTP(v, r)
	}()
	return v
}

// moving is a page whose state a test sets.
type moving struct {
	state   atomic.Pointer[string]
	shows   atomic.Int32
	lives   atomic.Int32 // that run
	changed atomic.Pointer[func()]
}

func (m *moving) set(state string) {
	m.state.Store(&state)
	if changed := m.changed.Load(); changed != nil {
		(*changed)()
	}
}

func (m *moving) view() page.View {
	return page.View{
		Name: "show",
		Show: func(context.Context, *page.Request) (page.Content, error) {
			m.shows.Add(1)
			return page.Content{Data: *m.state.Load()}, nil
		},
		Live: func(ctx context.Context, _ *page.Request, changed func()) error {
			m.lives.Add(1)
			defer m.lives.Add(-1)
			m.changed.Store(&changed)
			<-ctx.Done()
			return ctx.Err()
		},
	}
}

// live serves one page that follows.
func live(t *testing.T, v page.View, log *slog.Logger) http.Handler {
	t.Helper()
	return serve(t, page.Config{Views: []page.View{v}, Log: log}, map[string]string{
		"show": `<div {{.Live}}></div><div {{.Log}}></div>`, "show.live": `{{.Data}}`, "show.entry": `[{{.Data}}]`,
	})
}

func wantEvents(t *testing.T, v *viewer, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, v.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		m.set("one")
		h := live(t, m.view(), nil)
		v := look(t, h, "/show?a=b")
		wantEvents(t, v, "live: one")
		wantHeader(t, v.header, map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
		})
		m.set("one")
		time.Sleep(time.Second)
		wantEvents(t, v)
		m.set("two\nlines\r <b>")
		wantEvents(t, v, "live: two\nlines&#13; &lt;b&gt;")
		m.set("three") // too soon
		m.set("four")
		m.set("")
		wantEvents(t, v)
		time.Sleep(time.Second)
		wantEvents(t, v, "live: ")
		if got := m.shows.Load(); got != 4 {
			t.Errorf("the page was made %d times, want 4: at first, and once for each change that stands", got)
		}
		v.leave()
		<-v.done
		synctest.Wait()
		if got := m.lives.Load(); got != 0 {
			t.Error("nobody looks, and the page follows")
		}
		m.set("five")
		v = look(t, h, "/show?a=b")
		wantEvents(t, v, "live: five")
		v.leave()
		<-v.done
	})
}

func TestLiveAttributes(t *testing.T) {
	m := &moving{}
	m.set("")
	_, body := get(t, live(t, m.view(), nil), "/show?a=%22%3E&b='<c>", nil)
	wantHas(t, body, `sse-swap="live" hx-swap="morph:innerHTML" sse-connect="show?a=%22%3E&amp;b=&#39;&lt;c&gt;"`, `sse-swap="entry" sse-close="ended"`)
}

// TestLiveShared: who looks at the same page, and may see the same, costs nothing more.
func TestLiveShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		m.set("one")
		h := live(t, m.view(), nil)
		all := []*viewer{look(t, h, "/show"), look(t, h, "/show"), look(t, h, "/show")}
		for _, v := range all {
			wantEvents(t, v, "live: one")
		}
		time.Sleep(time.Second)
		m.set("two")
		for _, v := range all {
			wantEvents(t, v, "live: two")
		}
		if got := m.shows.Load(); got != 2 {
			t.Errorf("three viewers: the page was made %d times, want 2", got)
		}
		all[0].leave() // the first, whose request made it
		<-all[0].done
		m.set("three")
		time.Sleep(time.Second)
		wantEvents(t, all[1], "live: three")
		late := look(t, h, "/show")
		wantEvents(t, late, "live: three")
		if shows, lives := m.shows.Load(), m.lives.Load(); shows != 3 || lives != 1 {
			t.Errorf("the page was made %d times by %d, want 3 and 1", shows, lives)
		}
		other := []*viewer{look(t, h, "/show?a=b"), look(t, h, "/show", "Authorization", "Bearer x"), look(t, h, "/show", "Authorization", "Bearer y")}
		for _, v := range other {
			wantEvents(t, v, "live: three")
		}
		if shows, lives := m.shows.Load(), m.lives.Load(); shows != 6 || lives != 4 {
			t.Errorf("with others, the page was made %d times by %d, want 6 and 4", shows, lives)
		}
		for _, v := range append(append(all[1:], late), other...) {
			v.leave()
			<-v.done
		}
		synctest.Wait()
		if got := m.lives.Load(); got != 0 {
			t.Errorf("nobody looks, and %d follow", got)
		}
	})
}

// TestLiveSlow: who is slow misses states, never the last, and holds nobody up.
func TestLiveSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		m.set("0")
		h := live(t, m.view(), nil)
		slow, quick := look(t, h, "/show"), look(t, h, "/show")
		wantEvents(t, slow, "live: 0")
		wantEvents(t, quick, "live: 0")
		resume := slow.pause()
		for i := 1; i <= 5; i++ {
			time.Sleep(time.Second)
			m.set(fmt.Sprint(i))
			wantEvents(t, quick, fmt.Sprintf("live: %d", i))
		}
		resume()
		wantEvents(t, slow, "live: 1", "live: 5") // the first was on its way
		for _, v := range []*viewer{slow, quick} {
			v.leave()
			<-v.done
		}
	})
}

// TestLiveAgain: what a page follows may fail, end or panic. It is tried again, and what
// has changed meanwhile is shown.
func TestLiveAgain(t *testing.T) {
	for name, fail := range map[string]func() error{
		"fails": func() error { return errors.New("away") }, "ends": func() error { return nil }, "panics": func() error { panic("as told") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &moving{}
				m.set("one")
				tries := 0
				v := m.view()
				v.Live = func(context.Context, *page.Request, func()) error {
					tries++
					return fail()
				}
				w := look(t, live(t, v, nil), "/show")
				wantEvents(t, w, "live: one")
				m.set("two")
				time.Sleep(10*time.Second + time.Millisecond)
				wantEvents(t, w, "live: two")
				if tries != 11 {
					t.Errorf("tried %d times in 10 s, want once a second", tries)
				}
				w.leave()
				<-w.done
			})
		})
	}
}

func TestLiveTrouble(t *testing.T) {
	for name, tt := range map[string]struct {
		fail   func() error
		says   string
		logged int
	}{
		"a refusal":     {func() error { return rpcerr.New(codes.NotFound, "kv.not_found", "no <such> key") }, "no &lt;such&gt; key", 0},
		"a plain error": {func() error { return errors.New("s3cret") }, "internal error", 1},
		"a panic":       {func() error { panic("s3cret") }, "internal error", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				m := &moving{}
				m.set("one")
				v := m.view()
				v.Live = page.Every(time.Hour)
				shown := v.Show
				var failing atomic.Bool
				failing.Store(true)
				v.Show = func(ctx context.Context, r *page.Request) (page.Content, error) {
					if failing.Load() {
						return page.Content{Data: "s3cret"}, tt.fail()
					}
					return shown(ctx, r)
				}
				w := look(t, live(t, v, slog.New(slog.NewTextHandler(&log, nil))), "/show")
				wantEvents(t, w, `live: <div class="trouble" role="alert"><p>`+tt.says+`</p></div>`)
				if got := strings.Count(log.String(), "level=ERROR"); got != tt.logged {
					t.Errorf("%d errors in the log, want %d: %s", got, tt.logged, log.String())
				}
				failing.Store(false)
				time.Sleep(time.Hour)
				wantEvents(t, w, "live: one")
				w.leave()
				<-w.done
			})
		})
	}
}

// TestLiveFaultLoggedOnce: a page that fails each second says so in the log once.
func TestLiveFaultLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := page.View{Name: "show", Live: page.Every(time.Second), Show: func(context.Context, *page.Request) (page.Content, error) {
			return page.Content{}, errors.New("broken")
		}}
		w := look(t, live(t, v, slog.New(slog.NewTextHandler(&log, nil))), "/show")
		time.Sleep(time.Minute)
		w.leave()
		<-w.done
		synctest.Wait()
		if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
			t.Errorf("%d errors in the log: %s", got, log.String())
		}
	})
}

func TestLiveAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		m.set("one")
		follow := m.view()
		follow.Live = nil
		follow.Follow = func(ctx context.Context, _ *page.Request, _ func(any) error) error { <-ctx.Done(); return ctx.Err() }
		for name, view := range map[string]page.View{"live": m.view(), "follow": follow} {
			w := look(t, live(t, view, nil), "/show")
			synctest.Wait()
			if first := w.raw(); !strings.HasPrefix(first, ": \n\n") {
				t.Errorf("%s: got %q at first", name, first)
			}
			time.Sleep(46 * time.Second)
			if got := w.raw(); got != ": \n\n: \n\n: \n\n" {
				t.Errorf("%s: got %q in 46 s", name, got)
			}
			w.leave()
			<-w.done
		}
	})
}

func TestTooManyViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		m.set("one")
		h := live(t, m.view(), nil)
		var all []*viewer
		for i := range 1000 {
			all = append(all, look(t, h, fmt.Sprintf("/show?page=%d", i%10)))
		}
		synctest.Wait()
		refused := look(t, h, "/show")
		<-refused.done
		if got := refused.raw(); refused.code != http.StatusServiceUnavailable || got != "too many pages follow at once\n" {
			t.Errorf("one more got %d %q", refused.code, got)
		}
		if got := m.lives.Load(); got != 10 {
			t.Errorf("%d pages are followed, want 10", got)
		}
		all[0].leave()
		<-all[0].done
		next := look(t, h, "/show")
		wantEvents(t, next, "live: one")
		for _, v := range append(all, next) {
			v.leave()
			<-v.done
		}
	})
}

// TestHeadDoesNotFollow: HEAD has no body to follow.
func TestHeadDoesNotFollow(t *testing.T) {
	m := &moving{}
	m.set("one")
	rsp, _ := ask(t, live(t, m.view(), nil), http.MethodHead, "/show", nil, map[string]string{"Accept": "text/event-stream"})
	wantHeader(t, rsp.Header, map[string]string{"Content-Type": "text/html; charset=utf-8"})
}
