package disk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// TestTallies: after many writes of all kinds from several callers, what is counted is
// what is there, also after a restart, and quotas go by it.
func TestTallies(t *testing.T) {
	path, clock := t.TempDir(), newClock()
	s := open(t, path, disk.Options{Now: clock.now})
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() { scribble(t, s, caller) })
	}
	group.Wait()
	wantTallies(t, s)
	closeStore(t, s)
	clock.advance(2 * time.Hour) // past the time of some
	s = open(t, path, disk.Options{Now: clock.now})
	wantTallies(t, s)
	closeStore(t, s)

	s = open(t, path, disk.Options{Now: clock.now, Quotas: func(string) store.Quota { return store.Quota{Keys: 1} }})
	defer closeStore(t, s)
	var full *store.QuotaError
	if _, err := s.Put(t.Context(), "ns1", store.Write{Key: "new"}); !errors.As(err, &full) {
		t.Errorf("a key more than the quota, of before the restart: %v", err)
	}
	for _, ns := range scribbled {
		if _, err := s.DeletePrefix(t.Context(), ns, ""); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Items != 0 || st.Namespaces != 0 {
		t.Errorf("an empty store has %d items and %d namespaces", st.Items, st.Namespaces)
	}
	mustPut(t, s, "ns1", store.Write{Key: "new"})
}

var scribbled = []string{"ns0", "ns1", "ns2"}

// scribble makes changes of all kinds to few keys.
func scribble(t *testing.T, s *disk.Store, caller int) {
	random := rand.New(rand.NewPCG(uint64(caller), 1))
	for range 400 {
		ns, key := scribbled[random.IntN(3)], fmt.Sprint("k", random.IntN(20))
		var err error
		switch random.IntN(8) {
		case 0:
			err = s.Delete(t.Context(), ns, store.Removal{Key: key})
		case 1:
			_, _, err = s.Increment(t.Context(), ns, store.Addition{Key: "n" + key, Delta: 7})
		case 2:
			_, err = s.Touch(t.Context(), ns, key, time.Hour)
		case 3:
			_, err = s.Put(t.Context(), ns, store.Write{Key: key, TTL: time.Millisecond, Value: make([]byte, 50)})
		default:
			_, err = s.Put(t.Context(), ns, store.Write{Key: key, Value: make([]byte, random.IntN(100)), Metadata: map[string]string{"m": key}})
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
}

// wantTallies waits until what has expired is gone, and counts.
func wantTallies(t *testing.T, s *disk.Store) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var items int64
		for _, ns := range scribbled {
			page, err := s.List(t.Context(), ns, store.Query{Limit: 1000, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			items += int64(len(page.Items))
		}
		st := s.Stats()
		if st.Items == items && st.Namespaces == len(scribbled) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d items in %d namespaces are counted, %d are there", st.Items, st.Namespaces, items)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
