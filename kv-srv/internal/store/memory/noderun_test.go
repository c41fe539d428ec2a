package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// TestNodeStress does everything that a ring does at once in a store that is always full.
func TestNodeStress(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small, Evict: true})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	expected := []error{context.DeadlineExceeded, store.ErrFull, store.ErrLagging, store.ErrCompacted}
	var group sync.WaitGroup
	for _, op := range nodeOps(ctx, s) {
		for range 2 {
			group.Go(func() {
				for ctx.Err() == nil {
					if err := op("ns-"+strconv.Itoa(rand.IntN(3)), "k"+strconv.Itoa(rand.IntN(500))); err != nil && !isOneOf(err, expected) {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	wantBounded(t, s)
	for slot := range slots {
		s.Clear(slot)
	}
	if st := s.Stats(); st.Items != 0 || st.Watchers != 0 {
		t.Errorf("after clearing all: %+v", st)
	}
	for _, c := range copies(s) {
		if !c.Gone || s.Tombstone(c.Namespace, c.Item.Key) != c.Item.Version {
			t.Errorf("left: %+v", c)
		}
	}
}

func nodeOps(ctx context.Context, s *memory.Store) []func(namespace, key string) error {
	own := func(c memory.Copy) error {
		version := s.Begin()
		defer s.End(version)
		c.Item.Version = version
		_, err := s.Apply(c)
		return err
	}
	return []func(namespace, key string) error{
		func(ns, key string) error {
			c := memory.Copy{Namespace: ns, Item: store.Item{Key: key, Value: make([]byte, rand.IntN(5000))}}
			c.Request = request.Of(request.Put, ns, key, strconv.Itoa(rand.IntN(100)))
			if rand.IntN(3) == 0 {
				c.Item.Expires = time.Now().Add(time.Duration(rand.IntN(20)) * time.Millisecond)
			}
			return own(c)
		},
		func(ns, key string) error {
			return own(memory.Copy{Namespace: ns, Item: store.Item{Key: key}, Gone: true})
		},
		func(ns, key string) error { // of another node
			item := store.Item{Key: key, Version: s.Version() + rand.Uint64N(100) - 50}
			_, err := s.Apply(memory.Copy{Namespace: ns, Item: item, Gone: rand.IntN(2) == 0})
			return err
		},
		func(string, string) error {
			slot := rand.IntN(slots)
			if s.Digest(slot); rand.IntN(100) == 0 {
				s.Clear(slot)
			}
			for _, c := range s.Slot(slot) {
				if slotOf(c.Namespace, c.Item.Key) != slot {
					return fmt.Errorf("slot %d has %q", slot, c.Item.Key)
				}
			}
			return nil
		},
		func(ns, key string) error {
			c := asked(memory.Copy{Namespace: ns, Item: store.Item{Key: key, Version: s.Version() + 1}}, "id")
			return s.Room(c)
		},
		func(string, string) error { // as if the owner had lost some
			slot := rand.IntN(slots)
			copies, requests := s.Slot(slot), s.Requests(slot)
			copies, requests = copies[:len(copies)-len(copies)/10], requests[:len(requests)-len(requests)/10]
			wanted, err := s.Restore(slot, copies, requests, rand.IntN(2) == 0)
			for _, i := range wanted {
				if _, err := s.Apply(copies[i]); err != nil {
					return err
				}
			}
			return err
		},
		func(ns, _ string) error {
			_, err := s.ListSlots(ctx, ns, store.Query{Prefix: "k", Limit: 50, MaxBytes: 10_000}, all)
			return err
		},
		func(ns, _ string) error { return follow(ctx, s, ns) },
	}
}

// follow follows a namespace for a short time, and wants versions.
func follow(ctx context.Context, s *memory.Store, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	want, last := make(chan uint64, 1), s.Version()
	return s.Feed(ctx, namespace, last, all, want, func(events []store.Event, upTo uint64) error {
		before := last + 1 // other nodes may have used a version as well
		for _, e := range events {
			if e.Version < before || e.Version > upTo {
				return fmt.Errorf("version %d after %d, up to %d", e.Version, before, upTo)
			}
			before = e.Version
		}
		if upTo < last {
			return errors.New("goes back")
		}
		last = upTo
		select {
		case want <- s.Version() + 1:
		default:
		}
		return nil
	})
}
