package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func TestCloseLeaksNothing(t *testing.T) {
	current := goleak.IgnoreCurrent()
	s := memory.Open(memory.Options{})
	result := make(chan error, 1)
	for range 10 {
		mustPut(t, s, "ns", store.Write{Key: "a", TTL: time.Hour})
		go func() {
			result <- s.Watch(t.Context(), "ns", "", 0, func(store.Event) error { return nil })
		}()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := <-result; err == nil {
			t.Error("a watch of a closed store returns nil")
		}
	}
	goleak.VerifyNone(t, current)
}

// TestStress does everything at once in a store that is always full.
func TestStress(t *testing.T) {
	s := open(t, memory.Options{MaxBytes: small, Evict: true, Progress: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	spaces := []string{"a", "b", "c", "d"}
	key := func() string { return "k" + strconv.Itoa(rand.IntN(500)) }
	ops := []func(ns string) error{
		func(ns string) error {
			_, err := s.Put(ctx, ns, store.Write{Key: key(), Value: make([]byte, rand.IntN(5000)), RequestID: key()})
			return err
		},
		func(ns string) error {
			ttl := time.Duration(1+rand.IntN(50)) * time.Millisecond
			_, err := s.Put(ctx, ns, store.Write{Key: key(), TTL: ttl, Metadata: map[string]string{"m": "x"}})
			return err
		},
		func(ns string) error { _, err := s.Get(ctx, ns, key()); return err },
		func(ns string) error { return s.Delete(ctx, ns, store.Removal{Key: key()}) },
		func(ns string) error {
			_, _, err := s.Increment(ctx, ns, store.Addition{Key: "n", Delta: 1, TTL: time.Millisecond})
			return err
		},
		func(ns string) error { _, err := s.Touch(ctx, ns, key(), 20*time.Millisecond); return err },
		func(ns string) error {
			_, err := s.List(ctx, ns, store.Query{Prefix: "k", Limit: 50, MaxBytes: 10_000})
			return err
		},
		func(ns string) error {
			if rand.IntN(20) > 0 {
				return nil
			}
			_, err := s.DeletePrefix(ctx, ns, "k"+strconv.Itoa(rand.IntN(10)))
			return err
		},
		func(ns string) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			return s.Watch(ctx, ns, "k"+strconv.Itoa(rand.IntN(10)), 0, func(store.Event) error { return nil })
		},
		func(string) error {
			if st := s.Stats(); st.Bytes > st.MaxBytes || st.Items < 0 {
				t.Errorf("out of bounds: %+v", st)
			}
			return nil
		},
	}
	expected := []error{context.DeadlineExceeded, store.ErrNotFound, store.ErrFull, store.ErrLagging}
	var group sync.WaitGroup
	for _, op := range ops {
		for range 2 {
			group.Go(func() {
				for ctx.Err() == nil {
					err := op(spaces[rand.IntN(len(spaces))])
					if err != nil && !isOneOf(err, expected) {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	wantBounded(t, s)
	for _, ns := range spaces {
		if _, err := s.DeletePrefix(t.Context(), ns, ""); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Items != 0 || st.Watchers != 0 {
		t.Errorf("after deleting all: %+v", st)
	}
}

func isOneOf(err error, expected []error) bool {
	for _, e := range expected {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
