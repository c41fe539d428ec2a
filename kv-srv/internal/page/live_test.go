package page_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/page"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// follower is a browser that follows a page.
type follower struct {
	leave context.CancelFunc
	read  chan struct{} // gets one for each part that has come
	mu    sync.Mutex
	got   string // since what was waited for last
	all   string
}

// follow follows a page until the test ends.
func (s *site) follow(t *testing.T, at string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+at, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	rsp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := rsp.Header.Get("Content-Type"); rsp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s: got %s, %s", at, rsp.Status, got)
	}
	f := &follower{leave: cancel, read: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer rsp.Body.Close()
		for b := make([]byte, 4096); ; {
			n, err := rsp.Body.Read(b)
			f.mu.Lock()
			f.got, f.all = f.got+string(b[:n]), f.all+string(b[:n])
			f.mu.Unlock()
			select {
			case f.read <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// await waits until the page has said something, and forgets all up to that.
func (f *follower) await(t *testing.T, want string) {
	t.Helper()
	for late := time.After(patience); !f.says(want); {
		select {
		case <-f.read:
		case <-late:
			t.Fatalf("no %q in %s; got:\n%s", want, patience, f.text())
		}
	}
}

// says tells whether the page has said something, and forgets all up to that.
func (f *follower) says(want string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, rest, ok := strings.Cut(f.got, want)
	if ok {
		f.got = rest
	}
	return ok
}

// saw tells whether the page has ever said something.
func (f *follower) saw(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(f.all, what)
}

func (f *follower) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

func TestLive(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "first")
	one, list, all := s.follow(t, item("item", "k")), s.follow(t, "keys"), s.follow(t, "")
	one.await(t, "first")
	list.await(t, "k</bdi>")
	all.await(t, "default")
	s.put(t, &kvpb.PutRequest{Key: "k", Value: []byte("second"), Ttl: durationpb.New(30 * time.Minute)})
	one.await(t, "second")
	s.text(t, "k2", "v")
	list.await(t, "k2</bdi>")
	s.put(t, &kvpb.PutRequest{Namespace: "new", Key: "k"})
	all.await(t, ">new<")
	if _, err := s.kv.Delete(t.Context(), &kvpb.DeleteRequest{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	one.await(t, "not found")
	s.text(t, "k", "third")
	one.await(t, "third")
	hottest := s.follow(t, "hot")
	hottest.await(t, "event: live")
}

func TestWatch(t *testing.T) {
	s := open(t, nil)
	f := s.follow(t, "watch?prefix=a%2F")
	// It begins with what changes from now on, and does not say when that is.
	for i := 0; !f.says("a/begin"); i++ {
		s.text(t, "a/begin", fmt.Sprint(i))
		select {
		case <-f.read:
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.text(t, "b/other", "v")
	s.text(t, "a/"+script, script+"\n\u202e\x00")
	f.await(t, `a/&lt;script&gt;document.title = &#34;pwned&#34;&lt;/script&gt;`)
	s.text(t, "a/large", strings.Repeat("x", 1<<20))
	f.await(t, "… 1 MiB")
	s.text(t, "a/binary", "\x00\xff")
	f.await(t, `<span class="esc">\u0000</span><span class="esc">\xff</span>`)
	if _, err := s.kv.Delete(t.Context(), &kvpb.DeleteRequest{Key: "a/large"}); err != nil {
		t.Fatal(err)
	}
	f.await(t, `<span class="badge">delete</span>`)
	s.put(t, &kvpb.PutRequest{Key: "a/short", Ttl: durationpb.New(10 * time.Millisecond)})
	f.await(t, `<span class="badge">expire</span>`)
	if f.saw("b/other") {
		t.Error("a change outside of the prefix is shown")
	}
}

func TestWatchWrong(t *testing.T) {
	s := open(t, nil)
	f := s.follow(t, "watch?namespace=A")
	f.await(t, "namespace: has &#39;A&#39;")
	f.await(t, "event: ended")
}

// late is a KV whose watches begin when a test says so.
type late struct {
	kvpb.KVHandler

	asked chan struct{} // gets one when a watch is asked for
	begin chan struct{}
}

func (l *late) Watch(ctx context.Context, req *kvpb.WatchRequest, st kvpb.KV_WatchStream) error {
	l.asked <- struct{}{}
	select {
	case <-l.begin:
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.KVHandler.Watch(ctx, req, st)
}

// TestChangeBeforeWatch: what changes after a page was shown and before its watch begins
// is shown, too.
func TestChangeBeforeWatch(t *testing.T) {
	l := &late{asked: make(chan struct{}, 1), begin: make(chan struct{})}
	s := of(t, nil, host.Service{Name: "kv-srv", Start: func(_ context.Context, h *host.Host) error {
		m := memory.Open(memory.Options{})
		h.OnStop(func(context.Context) error { return m.Close() })
		l.KVHandler = handler.New(m, hot.New(time.Now, rand.Uint32), time.Now)
		c, err := page.Config(false)
		if err == nil {
			_, err = h.Pages(c)
		}
		return errors.Join(err, kvpb.RegisterKVHandler(h.Server(), l))
	}})
	s.text(t, "k", "first")
	f := s.follow(t, item("item", "k"))
	f.await(t, "first")
	<-l.asked
	s.text(t, "k", "second")
	close(l.begin)
	f.await(t, "second")
}

// TestViewersLeave: a page that nobody looks at costs nothing.
func TestViewersLeave(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "v")
	// A connection of its own, and all that begins with the first watch.
	f := s.follow(t, item("item", "k"))
	f.await(t, "event: live")
	before := goleak.IgnoreCurrent()
	var all []*follower
	for _, at := range []string{"", "keys", item("item", "k", "as", "hex"), "hot", "watch", "ring"} {
		for range 3 {
			all = append(all, s.follow(t, at))
		}
	}
	s.text(t, "k", "w")
	for _, f := range all {
		f.leave()
	}
	goleak.VerifyNone(t, hosttest.Leftovers(before,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))...)
}
