package memory_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

const small = 1 << 20

func wantBounded(t *testing.T, s *memory.Store) {
	t.Helper()
	if st := s.Stats(); st.Bytes > st.MaxBytes || st.Bytes < 0 || st.Items < 0 {
		t.Fatalf("out of bounds: %+v", st)
	}
}

func TestFullLosesNothing(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: small}), t.Context()
	keys := fill(t, s, "ns", "a/", 100)
	fill(t, s, "ns", "rest/", 0)
	wantBounded(t, s)
	if got, least := len(keys), small*7/8/400; got < least {
		t.Fatalf("full after %d items, want %d at least", got, least)
	}
	_, err := s.Put(ctx, "ns", store.Write{Key: keys[0], Value: make([]byte, 10_000)})
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("growing an item: got %v, want %v", err, store.ErrFull)
	}
	if _, _, err := s.Increment(ctx, "ns", store.Addition{Key: "n", Delta: 1}); !errors.Is(err, store.ErrFull) {
		t.Fatalf("Increment: got %v, want %v", err, store.ErrFull)
	}
	for _, key := range keys {
		if item, err := s.Get(ctx, "ns", key); err != nil || len(item.Value) != 100 {
			t.Fatalf("Get(%q): %d bytes, %v", key, len(item.Value), err)
		}
	}
	mustPut(t, s, "ns", store.Write{Key: keys[0], Value: make([]byte, 100)})
	mustPut(t, s, "ns", store.Write{Key: keys[1], Value: make([]byte, 10)})
	if _, err := s.Touch(ctx, "ns", keys[2], time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "ns", store.Removal{Key: keys[3], RequestID: "id"}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "ns", store.Write{Key: "new", Value: make([]byte, 10)})
	wantBounded(t, s)
	if evicted := s.Stats().Evicted; evicted != 0 {
		t.Fatalf("%d items were evicted", evicted)
	}
}

func TestDeletingFreesAll(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: small}), t.Context()
	var first int
	for round := range 5 {
		n := len(fill(t, s, "ns", "", 500))
		if first == 0 {
			first = n
		}
		if n != first {
			t.Fatalf("round %d: full after %d items, at first after %d", round, n, first)
		}
		if deleted, err := s.DeletePrefix(ctx, "ns", ""); err != nil || deleted != n {
			t.Fatalf("DeletePrefix: got %d, %v, want %d", deleted, err, n)
		}
		wantBounded(t, s)
	}
}

func TestFullReclaimsExpired(t *testing.T) {
	clock := newClock()
	s := open(t, memory.Options{MaxBytes: small, Now: clock.now})
	for i := range 100 {
		mustPut(t, s, "short", store.Write{Key: keyOf(i), TTL: time.Minute, Value: make([]byte, 1000)})
	}
	fill(t, s, "ns", "", 1000)
	clock.advance(2 * time.Minute) // the sweeper still sleeps
	for i := range 100 {
		mustPut(t, s, "more", store.Write{Key: keyOf(i), Value: make([]byte, 1000)})
	}
	if st := s.Stats(); st.Expired < 99 {
		t.Fatalf("%d items expired", st.Expired)
	}
	wantBounded(t, s)
}

func TestFullDropsDesertedNamespaces(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: small}), t.Context()
	kept := startWatch(t, s, "kept", "", 0)
	stop := errors.New("stop")
	from := mustPut(t, s, "ns-0", store.Write{Key: "a"})
	for i := range 20_000 {
		err := s.Watch(ctx, "watched-"+strconv.Itoa(i), "", 0, func(store.Event) error { return stop })
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		mustPut(t, s, "ns-"+strconv.Itoa(i), store.Write{Key: "a"})
		if err := s.Delete(ctx, "ns-"+strconv.Itoa(i), store.Removal{Key: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	wantBounded(t, s)
	if n := s.Stats().Namespaces; n > small/350 {
		t.Fatalf("%d namespaces", n)
	}
	mustPut(t, s, "kept", store.Write{Key: "a"})
	if e := kept.next(t); e.Item.Key != "a" {
		t.Fatalf("a watch that was kept got %+v", e)
	}
	err := s.Watch(ctx, "ns-0", "", from, func(store.Event) error { return stop })
	if !errors.Is(err, store.ErrCompacted) {
		t.Fatalf("watching a dropped namespace: got %v, want %v", err, store.ErrCompacted)
	}
}

func TestRequestIDsFillAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{MaxBytes: small, Evict: true})
		defer s.Close()
		put := func(id string) (uint64, error) {
			return s.Put(t.Context(), "ns", store.Write{Key: "a", RequestID: id})
		}
		time.Sleep(119 * time.Second) // generations begin with even minutes
		first := mustPut(t, s, "ns", store.Write{Key: "a", RequestID: "0"})
		n := 1
		var err error
		for ; err == nil; n++ {
			_, err = put(strconv.Itoa(n))
		}
		if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "request IDs") {
			t.Fatalf("got %v, want %v and why", err, store.ErrFull)
		}
		if least := small / 4 / 150; n < least {
			t.Fatalf("full after %d requests, want %d at least", n, least)
		}
		if err := s.Delete(t.Context(), "ns", store.Removal{Key: "a", RequestID: "new"}); !errors.Is(err, store.ErrFull) {
			t.Fatalf("Delete: got %v, want %v", err, store.ErrFull)
		}
		mustPut(t, s, "ns", store.Write{Key: "b"})
		wantBounded(t, s)

		time.Sleep(store.RequestMemory - time.Second)
		if version, err := put("0"); version != first || err != nil {
			t.Fatalf("just before it may be forgotten: got version %d, %v, want %d", version, err, first)
		}
		time.Sleep(3 * time.Minute)
		if version, err := put("0"); version <= first || err != nil {
			t.Fatalf("once forgotten: got version %d, %v", version, err)
		}
		if _, err := put("new"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRequestIDsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{})
		defer s.Close()
		synctest.Wait()
		mustPut(t, s, "ns", store.Write{Key: "a"})
		before := s.Stats().Bytes
		for i := range 1000 {
			mustPut(t, s, "ns", store.Write{Key: "b", RequestID: strconv.Itoa(i)})
			if err := s.Delete(t.Context(), "ns", store.Removal{Key: "b"}); err != nil {
				t.Fatal(err)
			}
		}
		with := s.Stats().Bytes
		time.Sleep(store.RequestMemory + 3*time.Minute)
		if freed := with - s.Stats().Bytes; freed < 1000*64 {
			t.Fatalf("%d bytes, with 1000 request IDs %d, of which %d were freed", before, with, freed)
		}
	})
}
