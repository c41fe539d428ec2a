package memory_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// open returns a store that is closed when the test ends.
func open(t testing.TB, opts memory.Options) *memory.Store {
	t.Helper()
	s := memory.Open(opts)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustPut(t testing.TB, s *memory.Store, namespace string, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), namespace, w)
	if err != nil {
		t.Fatalf("Put(%q): %v", w.Key, err)
	}
	return version
}

// watch is a running Watch: what it emitted, and what it returned.
type watch struct {
	events chan store.Event
	result chan error
}

// startWatch returns once the watch has begun. It ends with the test.
func startWatch(t testing.TB, s *memory.Store, namespace, prefix string, from uint64) watch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := watch{events: make(chan store.Event), result: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.result <- s.Watch(ctx, namespace, prefix, from, func(e store.Event) error {
			select {
			case w.events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case e := <-w.events:
		if e.Kind != store.Progress {
			t.Fatalf("first event: got %+v, want progress", e)
		}
	case err := <-w.result:
		t.Fatalf("Watch: %v", err)
	}
	return w
}

// next returns the next event, and fails the test if none comes.
func (w watch) next(t testing.TB) store.Event {
	t.Helper()
	select {
	case e := <-w.events:
		return e
	case err := <-w.result:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	panic("unreachable")
}

// fill puts items of a size under a prefix until the store is full, and returns their
// keys.
func fill(t testing.TB, s *memory.Store, namespace, prefix string, size int) []string {
	t.Helper()
	var keys []string
	for i := 0; ; i++ {
		key := prefix + keyOf(i)
		_, err := s.Put(t.Context(), namespace, store.Write{Key: key, Value: make([]byte, size)})
		if errors.Is(err, store.ErrFull) {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
}

// clock is a time that passes when the test says so.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }
