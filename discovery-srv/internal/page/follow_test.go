package page_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// follower is a browser that follows a page.
type follower struct {
	leave context.CancelFunc
	read  chan struct{} // gets one for each part that has come
	mu    sync.Mutex
	got   string // since what was waited for last
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
			f.got += string(b[:n])
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

func (f *follower) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}
