package memory_test

import (
	"context"
	"errors"
	"testing"

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
	version, err := s.Put(context.Background(), namespace, w)
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
	ctx, cancel := context.WithCancel(context.Background())
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

// fill puts items of a size until the store is full, and returns their keys.
func fill(t testing.TB, s *memory.Store, namespace string, size int) []string {
	t.Helper()
	var keys []string
	for i := 0; ; i++ {
		key := keyOf(i)
		_, err := s.Put(context.Background(), namespace, store.Write{Key: key, Value: make([]byte, size)})
		if errors.Is(err, store.ErrFull) {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
}
