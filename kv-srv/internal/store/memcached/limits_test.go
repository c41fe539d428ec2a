package memcached_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memcached"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

func open(t *testing.T, hosts ...string) *memcached.Store {
	t.Helper()
	s, err := memcached.Open(&url.URL{Scheme: "memcached", Host: strings.Join(hosts, ",")})
	return storetest.Opened(t, s, err)
}

func mustPut(t *testing.T, s *memcached.Store, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), t.Name(), w)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// TestTooLarge: what memcached refuses takes nothing away.
func TestTooLarge(t *testing.T) {
	s := open(t, backends.URL(t, "memcached").Host)
	mustPut(t, s, store.Write{Key: "a", Value: make([]byte, 1<<20-512), Metadata: map[string]string{"m": "x"}})
	last := mustPut(t, s, store.Write{Key: "a", Value: []byte("stays")})
	for _, absent := range []bool{false, true} {
		key := "a"
		if absent {
			key = "b"
		}
		_, err := s.Put(t.Context(), t.Name(), store.Write{Key: key, Value: make([]byte, 1<<20), IfAbsent: absent})
		var limit *store.LimitError
		if !errors.As(err, &limit) || !strings.HasPrefix(err.Error(), "memcached takes no more than 1 MiB less some hundred bytes") {
			t.Errorf("got %v, want the limit", err)
		}
	}
	if item, err := s.Get(t.Context(), t.Name(), "a"); err != nil || string(item.Value) != "stays" || item.Version != last {
		t.Errorf("after a refusal: %q, %v", item.Value, err)
	}
}

// TestHashed looks at keys at the length from which on memcached has their hash alone.
func TestHashed(t *testing.T) {
	u := backends.URL(t, "memcached")
	s, client := open(t, u.Host), memcache.New(u.Host)
	defer client.Close()
	prefix := "kv/i/" + t.Name() + "/"
	for _, n := range []int{249, 250, 251} {
		key := strings.Repeat("k", n-len(prefix))
		mustPut(t, s, store.Write{Key: key, Value: []byte("v")})
		if item, err := s.Get(t.Context(), t.Name(), key); err != nil || item.Key != key {
			t.Errorf("%d bytes: got %q, %v", n, item.Key, err)
		}
		if n > 250 {
			continue
		}
		if _, err := client.Get(prefix + key); err != nil {
			t.Errorf("%d bytes: memcached has no such key: %v", n, err)
		}
	}
}

// TestLongTTL: memcached takes more than thirty days for a time of day.
func TestLongTTL(t *testing.T) {
	s := open(t, backends.URL(t, "memcached").Host)
	const day = 24 * time.Hour
	for _, ttl := range []time.Duration{time.Millisecond, 30*day - 2*time.Second, 30 * day, 30*day + time.Second, 31 * day, 3660 * day} {
		before := time.Now()
		mustPut(t, s, store.Write{Key: "a", TTL: ttl})
		item, err := s.Get(t.Context(), t.Name(), "a")
		if ttl == time.Millisecond {
			if asked := time.Since(before); err == nil && asked > ttl+time.Second {
				t.Errorf("an item of 1ms is there after %v", asked)
			}
			continue
		}
		if err != nil || item.Expires.Before(before.Add(ttl)) || item.Expires.After(time.Now().Add(ttl)) {
			t.Errorf("for %v: ends %v, %v", ttl, item.Expires, err)
		}
	}
}

// TestAnswerOutlivesItem: a request is remembered when what it wrote is past its time.
func TestAnswerOutlivesItem(t *testing.T) {
	s := open(t, backends.URL(t, "memcached").Host)
	w := store.Write{Key: "a" + time.Now().String(), TTL: time.Millisecond, RequestID: "id"}
	first := mustPut(t, s, w)
	time.Sleep(4 * time.Second) // memcached counts in seconds, and has let go of a short item by now
	if again := mustPut(t, s, w); again != first {
		t.Errorf("the same request after its item's end: version %d, want %d", again, first)
	}
	if _, err := s.Get(t.Context(), t.Name(), w.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the item is back: %v", err)
	}
}

// TestLostServer: the keys of the others are served.
func TestLostServer(t *testing.T) {
	lost := backends.FreeAddress(t)
	s := open(t, backends.URL(t, "memcached").Host, lost)
	served, refused := 0, 0
	for i := range 40 {
		_, err := s.Put(t.Context(), t.Name(), store.Write{Key: fmt.Sprint(i)})
		switch {
		case err == nil:
			served++
		case strings.HasPrefix(err.Error(), "memcached at "+lost+": "):
			refused++
		default:
			t.Errorf("got %v, want an error that names %s", err, lost)
		}
	}
	if served == 0 || refused == 0 {
		t.Errorf("%d keys are served, %d are not", served, refused)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), lost) {
		t.Errorf("Ready: %v, want an error that names %s", err, lost)
	}
}

// TestSilent: who asks a server that says nothing hears so before the deadline.
func TestSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel answers for it
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := open(t, l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = s.Get(ctx, "ns", "a")
	if want := "memcached at " + l.Addr().String() + ": no answer in time"; err == nil || err.Error() != want || ctx.Err() != nil {
		t.Errorf("got %v, want %s before the deadline (%v)", err, want, ctx.Err())
	}
	ended, end := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, end)
	if _, err := s.Put(ended, "ns", store.Write{Key: "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
