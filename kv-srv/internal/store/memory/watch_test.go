package memory_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func TestVersionsOfAnEarlierLife(t *testing.T) {
	clock := newClock()
	first := open(t, memory.Options{Now: clock.now})
	old := mustPut(t, first, "ns", store.Write{Key: "a"})
	clock.advance(time.Second)
	second := open(t, memory.Options{Now: clock.now})
	version := mustPut(t, second, "ns", store.Write{Key: "a"})
	if version <= old {
		t.Fatalf("version %d of the second life does not follow %d of the first", version, old)
	}
	for _, from := range []uint64{1, old, version + 1} {
		err := second.Watch(t.Context(), "ns", "", from, func(e store.Event) error {
			return fmt.Errorf("emitted %+v", e)
		})
		if !errors.Is(err, store.ErrCompacted) {
			t.Errorf("a watch from version %d: got %v, want %v", from, err, store.ErrCompacted)
		}
	}
}

func TestLaggingWatcherEnds(t *testing.T) {
	s := open(t, memory.Options{})
	behind := startWatch(t, s, "ns", "a/", 0) // nobody receives its events
	idle := startWatch(t, s, "ns", "b", 0)
	for i := range 5000 {
		mustPut(t, s, "ns", store.Write{Key: "a/" + strconv.Itoa(i%10)})
	}
	mustPut(t, s, "ns", store.Write{Key: "b"})
	if e := idle.next(t); e.Item.Key != "b" {
		t.Fatalf("an idle watcher got %+v, want b", e)
	}
	for {
		select {
		case <-behind.events:
			continue
		case <-time.After(10 * time.Second):
			t.Fatal("a watcher that does not read goes on")
		case err := <-behind.result:
			if !errors.Is(err, store.ErrLagging) {
				t.Fatalf("a watcher that does not read: got %v, want %v", err, store.ErrLagging)
			}
		}
		break
	}
	if st := s.Stats(); st.Lagging != 1 || st.Watchers != 1 {
		t.Errorf("got %d lagging of %d watchers", st.Lagging, st.Watchers)
	}
}

func TestQuietNamespaceKeepsItsHistory(t *testing.T) {
	s := open(t, memory.Options{MaxBytes: small})
	from := mustPut(t, s, "quiet", store.Write{Key: "a"})
	mustPut(t, s, "quiet", store.Write{Key: "b"})
	for i := range 20_000 {
		mustPut(t, s, "noisy", store.Write{Key: "a", Value: make([]byte, i%1000)})
		wantBounded(t, s)
	}
	w := startWatch(t, s, "quiet", "", from)
	if e := w.next(t); e.Item.Key != "b" {
		t.Fatalf("got %+v, want b", e)
	}
}

// TestWatchedChangesAreKept: many namespaces that nobody watches take no change from a
// watcher that has not had the time to read it.
func TestWatchedChangesAreKept(t *testing.T) {
	s := open(t, memory.Options{MaxBytes: small})
	w := startWatch(t, s, "watched", "", 0)
	for i := range 20_000 {
		namespace := "ns-" + strconv.Itoa(i)
		mustPut(t, s, namespace, store.Write{Key: "a"})
		if err := s.Delete(t.Context(), namespace, store.Removal{Key: "a"}); err != nil {
			t.Fatal(err)
		}
		if i%10 != 0 {
			continue
		}
		for n := range 3 {
			mustPut(t, s, "watched", store.Write{Key: strconv.Itoa(n)})
		}
		for n := range 3 {
			if e := w.next(t); e.Item.Key != strconv.Itoa(n) {
				t.Fatalf("got %+v, want %d", e, n)
			}
		}
	}
	wantBounded(t, s)
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{})
		defer s.Close()
		began := time.Now()
		stop := errors.New("stop")
		var got []time.Duration
		var last uint64
		go func() {
			time.Sleep(45 * time.Second)
			mustPut(t, s, "ns", store.Write{Key: "other"})
		}()
		err := s.Watch(t.Context(), "ns", "key", 0, func(e store.Event) error {
			if len(got) > 4 || e.Kind != store.Progress || e.Version < last {
				t.Errorf("got %+v after version %d", e, last)
			}
			if len(got) == 2 && e.Version == last {
				t.Errorf("progress stays at version %d after a change of another key", last)
			}
			last = e.Version
			if got = append(got, time.Since(began)); len(got) == 4 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		for i, at := range got {
			if want := time.Duration(i) * 30 * time.Second; at != want {
				t.Errorf("progress %d after %v, want %v", i, at, want)
			}
		}
	})
}
