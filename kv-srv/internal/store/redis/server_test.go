package redis_test

import (
	"net"
	"net/url"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/redis"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

const patient = 20 * time.Second // what should happen at once may take this long

// run starts a Redis of the test's own.
func run(t *testing.T, options ...string) {
	t.Helper()
	backends.URL(t, "redis") // where there is one, there is its binary
	backends.Run(t, "redis-server", append([]string{"--bind", "127.0.0.1", "--save", ""}, options...)...)
}

func open(t *testing.T, u *url.URL) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), u)
	return storetest.Opened(t, s, err)
}

// own opens a store in a Redis of the test's own, and a client that sees what it does.
func own(t *testing.T, options ...string) (*redis.Store, *client.Client) {
	t.Helper()
	address := backends.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	run(t, append([]string{"--port", port}, options...)...)
	c := client.NewClient(&client.Options{Addr: address})
	t.Cleanup(func() { _ = c.Close() })
	await(t, "the server", func() bool { return c.Ping(t.Context()).Err() == nil })
	return open(t, &url.URL{Scheme: "redis", Host: address, Path: "/0"}), c
}

func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patient)
	for !yes() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, patient)
		}
	}
}

func mustPut(t *testing.T, s *redis.Store, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), "ns", w)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// watch watches a namespace from a version on. Result has what the watch returns.
func watch(t *testing.T, s *redis.Store, from uint64) (events <-chan store.Event, result <-chan error) {
	t.Helper()
	all, end, begun := make(chan store.Event, 1<<13), make(chan error, 1), make(chan struct{})
	go func() {
		first := true
		end <- s.Watch(t.Context(), "ns", "", from, func(e store.Event) error {
			if first {
				close(begun)
				first = false
			}
			if e.Kind != store.Progress {
				all <- e
			}
			return nil
		})
	}()
	select {
	case <-begun:
	case err := <-end:
		t.Fatal(err)
	case <-time.After(patient):
		t.Fatalf("no watch within %v", patient)
	}
	return all, end
}

func next(t *testing.T, events <-chan store.Event) store.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patient):
		t.Fatalf("no event within %v", patient)
		return store.Event{}
	}
}
