package memory_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

type emitted struct {
	events []store.Event
	upTo   uint64
}

// feed is a running Feed: what it emitted, and what it returned.
type feed struct {
	emits  chan emitted
	want   chan uint64
	result chan error
}

// startFeed starts a feed, which ends with the test.
func startFeed(t testing.TB, s *memory.Store, namespace string, from uint64, has func(int) bool) feed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := feed{emits: make(chan emitted), want: make(chan uint64, 1), result: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.result <- s.Feed(ctx, namespace, from, has, f.want, func(events []store.Event, upTo uint64) error {
			select {
			case f.emits <- emitted{slices.Clone(events), upTo}:
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
	return f
}

// next returns what comes next, and fails the test if nothing does.
func (f feed) next(t testing.TB) emitted {
	t.Helper()
	select {
	case e := <-f.emits:
		return e
	case err := <-f.result:
		t.Fatalf("the feed ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is emitted")
	}
	panic("unreachable")
}

// ends returns what the feed returned, and fails the test if it goes on.
func (f feed) ends(t testing.TB) error {
	t.Helper()
	for {
		select {
		case <-f.emits:
		case err := <-f.result:
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("the feed goes on")
		}
	}
}
