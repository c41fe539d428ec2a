package memory_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func TestTombstone(t *testing.T) {
	s := openNode(t, memory.Options{})
	before := s.Stats().Bytes
	mustApply(t, s, put("a", 5), true)
	mustApply(t, s, gone("a", 6), true)
	mustApply(t, s, gone("a", 6), false)
	mustApply(t, s, put("a", 5), false)
	if got := s.Tombstone("ns", "a"); got != 6 {
		t.Fatalf("tombstone: got version %d, want 6", got)
	}
	mustApply(t, s, gone("a", 7), true)
	if got := s.Tombstone("ns", "a"); got != 7 {
		t.Fatalf("tombstone: got version %d, want 7", got)
	}
	mustApply(t, s, put("a", 8), true)
	if got := s.Tombstone("ns", "a"); got != 0 {
		t.Fatalf("tombstone of an item that is there: version %d", got)
	}
	s.Clear(slotOf("ns", "a"))
	if got := s.Forgotten(); got != 0 {
		t.Errorf("forgotten: version %d", got)
	}
	if grown := s.Stats().Bytes - before; grown > 4096 { // the namespace and its history
		t.Errorf("%d bytes are left", grown)
	}
}

func TestTombstonesOfItsOwn(t *testing.T) {
	s, ctx := openNode(t, memory.Options{}), t.Context()
	mustPut(t, s, "ns", store.Write{Key: "a"})
	if err := s.Delete(ctx, "ns", store.Removal{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	if got := s.Tombstone("ns", "a"); got != s.Version() {
		t.Errorf("tombstone: got version %d, want %d", got, s.Version())
	}
	mustPut(t, s, "ns", store.Write{Key: "a"})
	if got := s.Tombstone("ns", "a"); got != 0 {
		t.Errorf("tombstone of an item that is there: version %d", got)
	}
}

func TestTombstonesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{Slots: slots, Hash: hash})
		defer s.Close()
		synctest.Wait() // the sweeper sleeps
		for i := range 1000 {
			mustApply(t, s, gone(strconv.Itoa(i), uint64(1+i)), true)
		}
		time.Sleep(store.RequestMemory - time.Second)
		if got := len(copies(s)); got != 1000 || s.Forgotten() != 0 {
			t.Fatalf("got %d tombstones, %d forgotten, want 1000 and none", got, s.Forgotten())
		}
		time.Sleep(30 * time.Second)
		if got := len(copies(s)); got != 0 || s.Forgotten() != 1000 {
			t.Fatalf("got %d tombstones, forgotten up to %d, want none and 1000", got, s.Forgotten())
		}
		if got := s.Stats().Bytes; got != 0 {
			t.Errorf("%d bytes are left", got)
		}
	})
}

// TestTombstonesAreBounded: the oldest go, and the items stay.
func TestTombstonesAreBounded(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	for i := range 100 {
		mustApply(t, s, put("kept/"+strconv.Itoa(i), 1), true)
	}
	for i := range 10_000 {
		mustApply(t, s, gone(strconv.Itoa(i), uint64(2+i)), true)
		wantBounded(t, s)
	}
	left := len(copies(s)) - 100
	if most := small / 16 / 100; left > most || left < most/4 {
		t.Errorf("%d tombstones are left", left)
	}
	if got, want := s.Forgotten(), uint64(10_000+1-left); got != want {
		t.Errorf("forgotten: got version %d, want %d", got, want)
	}
	if s.Tombstone("ns", "0") != 0 || s.Tombstone("ns", "9999") != 10_001 {
		t.Error("others than the oldest are gone")
	}
}

// TestDigestTellsDeletions: a slot with nothing but a deletion is not an empty one, for as
// long as deletions count, by the versions that all nodes know.
func TestDigestTellsDeletions(t *testing.T) {
	c := newClock()
	a, b := openNode(t, memory.Options{Now: c.now}), openNode(t, memory.Options{Now: c.now})
	slot, version := slotOf("ns", "a"), a.Begin()
	a.End(version)
	mustApply(t, a, gone("a", version), true)
	if a.Digest(slot) == b.Digest(slot) {
		t.Error("a deletion more, one digest")
	}
	mustApply(t, b, put("a", version), true)
	if a.Digest(slot) == b.Digest(slot) {
		t.Error("an item and its deletion have one digest")
	}
	c.advance(store.RequestMemory / 2)
	if _, err := b.Restore(slot, a.Slot(slot), nil, true); err != nil || a.Digest(slot) != b.Digest(slot) {
		t.Errorf("one deletion, two digests, %v", err)
	}
	c.advance(store.RequestMemory/2 + time.Second)
	if b.Tombstone("ns", "a") == 0 || b.Digest(slot) != 0 {
		t.Error("an old deletion, which others may have forgotten, is in the digest")
	}
}
