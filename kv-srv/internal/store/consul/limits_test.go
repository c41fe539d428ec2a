package consul_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/consul"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

const patient = 30 * time.Second

// open opens a store below a prefix of its own, and a client that sees what it does.
func open(t *testing.T) (*consul.Store, *api.KV, *url.URL) {
	t.Helper()
	u := *backends.URL(t, "consul")
	u.Path = "/test-" + strings.ToLower(rand.Text())
	client, err := api.NewClient(&api.Config{Address: u.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.KV().DeleteTree(u.Path[1:]+"/", nil); err != nil {
			t.Error(err)
		}
	})
	return openAt(t, &u), client.KV(), &u
}

func openAt(t *testing.T, u *url.URL) *consul.Store {
	t.Helper()
	s, err := consul.Open(t.Context(), u)
	return storetest.Opened(t, s, err)
}

func mustPut(t *testing.T, s *consul.Store, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), "ns", w)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestTooLarge(t *testing.T) {
	s, _, _ := open(t)
	key := strings.Repeat("k", 1024)
	metadata := map[string]string{"m": strings.Repeat("x", 4095)}
	mustPut(t, s, store.Write{Key: key, Value: make([]byte, 370<<10), Metadata: metadata, TTL: time.Hour, RequestID: "id"})
	_, err := s.Put(t.Context(), "ns", store.Write{Key: key, Value: make([]byte, 390<<10)})
	var limit *store.LimitError
	if !errors.As(err, &limit) || !strings.HasPrefix(limit.Error(), "consul takes no more than a request of 512 KiB") {
		t.Errorf("got %v, want the limit", err)
	}
	if item, err := s.Get(t.Context(), "ns", key); err != nil || len(item.Value) != 370<<10 {
		t.Errorf("after a refusal: %d bytes, %v", len(item.Value), err)
	}
}

// TestLargeWatched: of a value that the log has no room for, the last one is watched.
func TestLargeWatched(t *testing.T) {
	s, _, _ := open(t)
	from := mustPut(t, s, store.Write{Key: "begin"})
	mustPut(t, s, store.Write{Key: "other", Value: make([]byte, 20<<10)})
	mustPut(t, s, store.Write{Key: "a", Value: make([]byte, 20<<10)})
	stop := errors.New("stop")
	watch := func() error {
		return s.Watch(t.Context(), "ns", "a", from, func(e store.Event) error {
			if e.Kind == store.Put && len(e.Item.Value) == 20<<10 {
				return stop
			}
			return nil
		})
	}
	if err := watch(); !errors.Is(err, stop) {
		t.Errorf("got %v, want the value", err)
	}
	mustPut(t, s, store.Write{Key: "a"})
	if err := watch(); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("an overwritten value: got %v, want %v", err, store.ErrCompacted)
	}
}

// TestLog writes more than the log keeps.
func TestLog(t *testing.T) {
	s, kv, u := open(t)
	first := mustPut(t, s, store.Write{Key: "first"})
	const writes = 4200
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range writes / 8 {
				if _, err := s.Put(t.Context(), "ns", store.Write{Key: fmt.Sprint("k", i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	names, _, err := kv.Keys(u.Path[1:]+"/l/", "", nil)
	if err != nil || len(names) != 4096 {
		t.Errorf("the log has %d changes, %v, want 4096", len(names), err)
	}
	stop := errors.New("stop")
	item, err := s.Get(t.Context(), "ns", "k0")
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[uint64]error{first: store.ErrCompacted, item.Version - 1: stop, item.Version + 1<<40: store.ErrCompacted} {
		err := s.Watch(t.Context(), "ns", "", from, func(store.Event) error { return stop })
		if !errors.Is(err, want) {
			t.Errorf("Watch from %d: got %v, want %v", from, err, want)
		}
	}
}

// TestAlarms: what an item with a time to live leaves is bounded, and goes with it.
func TestAlarms(t *testing.T) {
	s, kv, u := open(t)
	count := func(prefix string) int {
		t.Helper()
		names, _, err := kv.Keys(u.Path[1:]+"/"+prefix, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for range 50 {
		mustPut(t, s, store.Write{Key: "long", TTL: time.Hour})
	}
	if n := count("t/"); n < 1 || n > 3 {
		t.Errorf("an item that was written 50 times has %d alarms", n)
	}
	for i := range 30 {
		mustPut(t, s, store.Write{Key: "short", TTL: time.Second + time.Duration(i)*10*time.Millisecond})
	}
	mustPut(t, s, store.Write{Key: "early", TTL: 5 * time.Second}) // is looked at before its end
	if err := s.Delete(t.Context(), "ns", store.Removal{Key: "long"}); err != nil {
		t.Fatal(err)
	}
	for late := time.After(patient); count("i/") > 0 || count("t/") > 1; { // the alarm of an hour
		select {
		case <-late:
			t.Fatalf("%d items, %d alarms are left", count("i/"), count("t/"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestShared counts with two stores, each of which writes to the log of the other.
func TestShared(t *testing.T) {
	s, _, u := open(t)
	var group sync.WaitGroup
	for _, s := range []*consul.Store{s, openAt(t, u)} {
		for range 5 {
			group.Go(func() {
				for range 20 {
					if _, _, err := s.Increment(t.Context(), "ns", store.Addition{Key: "n", Delta: 1}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	seen := 0
	stop := errors.New("stop")
	err := s.Watch(t.Context(), "ns", "", 1, func(e store.Event) error {
		if e.Kind == store.Put {
			if seen++; string(e.Item.Value) != fmt.Sprint(seen) {
				return fmt.Errorf("%s was told in place %d", e.Item.Value, seen)
			}
		}
		if seen == 200 {
			return stop
		}
		return nil
	})
	group.Wait()
	if !errors.Is(err, stop) {
		t.Errorf("a watch of 200 numbers: %v", err)
	}
}

// TestRemembered: what a store remembers of an item that another has changed decides
// nothing, nor does it hide the answer to a request.
func TestRemembered(t *testing.T) {
	s, _, u := open(t)
	other := openAt(t, u)
	mustPut(t, s, store.Write{Key: "a"})
	if err := other.Delete(t.Context(), "ns", store.Removal{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, store.Write{Key: "a", IfAbsent: true})
	theirs := mustPut(t, other, store.Write{Key: "a"})
	w := store.Write{Key: "a", IfVersion: theirs, RequestID: "id"}
	ours := mustPut(t, s, w)
	if again := mustPut(t, s, w); again != ours {
		t.Errorf("the same request again: version %d, want %d", again, ours)
	}
	w.RequestID = "another"
	if _, err := s.Put(t.Context(), "ns", w); !errors.Is(err, store.ErrVersion) {
		t.Errorf("another request: got %v, want %v", err, store.ErrVersion)
	}
	if _, err := s.Put(t.Context(), "ns", store.Write{Key: "a", IfAbsent: true}); !errors.Is(err, store.ErrExists) {
		t.Errorf("got %v, want %v", err, store.ErrExists)
	}
}

// TestSilent: who asks a server that says nothing hears so before the deadline, and no
// error shows the token.
func TestSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel answers for it
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := openAt(t, &url.URL{Scheme: "consul", User: url.UserPassword("", "t0ken"), Host: l.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = s.Get(ctx, "ns", "a")
	if err == nil || !strings.HasPrefix(err.Error(), "consul at "+l.Addr().String()) || ctx.Err() != nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("got %v before the deadline (%v)", err, ctx.Err())
	}
}
