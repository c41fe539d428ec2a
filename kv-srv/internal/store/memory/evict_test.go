package memory_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func TestEvictKeepsWhatIsUsed(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: 4 * small, Evict: true}), t.Context()
	hot := make([]string, 100)
	for i := range hot {
		hot[i] = "hot/" + strconv.Itoa(i)
		mustPut(t, s, "ns", store.Write{Key: hot[i], Value: make([]byte, 100)})
	}
	use := func(key string) { // reads half of them, and writes the others
		if key[len(key)-1]%2 == 0 {
			_, _ = s.Get(ctx, "ns", key)
		} else if _, err := s.Touch(ctx, "ns", key, 0); err != nil {
			t.Logf("Touch(%q): %v", key, err)
		}
	}
	for i := range 50_000 {
		mustPut(t, s, "ns", store.Write{Key: keyOf(i), Value: make([]byte, 100)})
		if i%10 == 0 {
			use(hot[i/10%len(hot)])
		}
	}
	wantBounded(t, s)
	missing := 0
	for _, key := range hot {
		if _, err := s.Get(ctx, "ns", key); err != nil {
			missing++
		}
	}
	if missing > 2 {
		t.Errorf("%d of %d items in use were evicted", missing, len(hot))
	}
	if st := s.Stats(); st.Evicted+uint64(st.Items) != 50_100 {
		t.Errorf("50,100 items were put, %d evicted, %d are left", st.Evicted, st.Items)
	}
}

func TestEvictTellsWatchers(t *testing.T) {
	s := open(t, memory.Options{MaxBytes: small, Evict: true})
	mustPut(t, s, "ns", store.Write{Key: "old"})
	w := startWatch(t, s, "ns", "old", 0)
	there := func() bool { // not by Get, which is a use
		page, err := s.List(t.Context(), "ns", store.Query{Prefix: "old", Limit: 1})
		return err != nil || len(page.Items) > 0
	}
	for i := 0; there() && s.Stats().Evicted < 10_000; i++ {
		mustPut(t, s, "ns", store.Write{Key: keyOf(i), Value: make([]byte, 100)})
	}
	if e := w.next(t); e.Kind != store.Evicted || e.Item.Key != "old" {
		t.Fatalf("got %+v, want the eviction of old", e)
	}
}

func TestEvictNeverTheKeyInHand(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: small, Evict: true}), t.Context()
	for range 2000 {
		key := strconv.Itoa(rand.IntN(20))
		version := mustPut(t, s, "ns", store.Write{Key: key, Value: make([]byte, rand.IntN(small/2))})
		if item, err := s.Get(ctx, "ns", key); err != nil || item.Version != version {
			t.Fatalf("Get(%q) after Put: %v", key, err)
		}
		wantBounded(t, s)
	}
}

func TestEvictNothingInVain(t *testing.T) {
	s, ctx := open(t, memory.Options{MaxBytes: small, Evict: true}), t.Context()
	for i := range 100 {
		mustPut(t, s, "ns", store.Write{Key: keyOf(i), Value: make([]byte, 100)})
	}
	_, err := s.Put(ctx, "ns", store.Write{Key: "large", Value: make([]byte, small)})
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("an item larger than the store: got %v, want %v", err, store.ErrFull)
	}
	if st := s.Stats(); st.Evicted != 0 || st.Items != 100 {
		t.Fatalf("for nothing %d items were evicted, %d are left", st.Evicted, st.Items)
	}
}
