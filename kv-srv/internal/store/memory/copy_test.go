package memory_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// drawCopies draws copies of few keys, each of a version of its own.
func drawCopies(t *rapid.T) []memory.Copy {
	var drawn []memory.Copy
	for i := range rapid.IntRange(1, 60).Draw(t, "copies") {
		c := put(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key"), uint64(100+i))
		c.Namespace = rapid.SampledFrom([]string{"ns", "other"}).Draw(t, "namespace")
		if c.Gone = rapid.Bool().Draw(t, "gone"); c.Gone {
			c.Item = store.Item{Key: c.Item.Key, Version: c.Item.Version}
		}
		drawn = append(drawn, c)
	}
	return drawn
}

// TestApplyInAnyOrder: of the copies of a key the one of the largest version stays,
// whatever their order and however often they come.
func TestApplyInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawCopies(t)
		type name struct{ namespace, key string }
		want := make(map[name]memory.Copy)
		for _, c := range drawn {
			want[name{c.Namespace, c.Item.Key}] = c
		}
		var states [][]memory.Copy
		var digests [][slots]uint64
		for range 2 {
			s := memory.Open(memory.Options{Slots: slots, Hash: hash})
			defer s.Close()
			latest := make(map[name]uint64)
			again := rapid.SliceOfN(rapid.SampledFrom(drawn), 0, 20).Draw(t, "again")
			for _, c := range rapid.Permutation(append(again, drawn...)).Draw(t, "order") {
				n := name{c.Namespace, c.Item.Key}
				applied, err := s.Apply(c)
				if err != nil || applied != (c.Item.Version > latest[n]) {
					t.Fatalf("Apply(%v, version %d) after version %d: got %t, %v", n, c.Item.Version, latest[n], applied, err)
				}
				latest[n] = max(latest[n], c.Item.Version)
			}
			states = append(states, copies(s))
			var d [slots]uint64
			for slot := range d {
				d[slot] = s.Digest(slot)
			}
			digests = append(digests, d)
		}
		if diff := cmp.Diff(states[0], states[1]); diff != "" {
			t.Fatalf("two orders, two states:\n%s", diff)
		}
		if digests[0] != digests[1] {
			t.Fatalf("two orders, two digests: %v, %v", digests[0], digests[1])
		}
		if len(states[0]) != len(want) {
			t.Fatalf("%d names are known, want %d", len(states[0]), len(want))
		}
		for _, got := range states[0] {
			if diff := cmp.Diff(want[name{got.Namespace, got.Item.Key}], got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestApplyRemembersRequests(t *testing.T) {
	s := openNode(t, memory.Options{})
	version := s.Version()
	c := put("a", version+10)
	c.Request = request.Of(request.Increment, "ns", "a", "id")
	c.Answer = request.Answer{Sum: 5, Version: version + 10}
	if _, _, done := s.Look("ns", "a", c.Request); done {
		t.Fatal("a request is remembered before it was made")
	}
	mustApply(t, s, c, true)
	mustApply(t, s, c, false)
	late := put("a", version+5)
	late.Request = request.Of(request.Put, "ns", "a", "other")
	late.Answer = request.Answer{Version: version + 5}
	mustApply(t, s, late, false)
	for _, want := range []memory.Copy{c, late} {
		item, answer, done := s.Look("ns", "a", want.Request)
		if !done || answer != want.Answer || item.Version != c.Item.Version {
			t.Errorf("Look: got version %d, %+v, %t, want %+v", item.Version, answer, done, want.Answer)
		}
	}
	if got := s.Version(); got != c.Item.Version {
		t.Errorf("last known version: got %d, want %d", got, c.Item.Version)
	}
}

// TestApplyAgainCostsNothing: a request that comes again takes no second place.
func TestApplyAgainCostsNothing(t *testing.T) {
	s := openNode(t, memory.Options{})
	c := put("a", s.Version()+1)
	c.Request = request.Of(request.Put, "ns", "a", "id")
	mustApply(t, s, c, true)
	before := s.Stats().Bytes
	for range 100 {
		mustApply(t, s, c, false)
	}
	if got := s.Stats().Bytes; got != before {
		t.Errorf("%d bytes became %d", before, got)
	}
}

func TestApplyFull(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small})
	version := s.Version()
	keys := fill(t, s, "ns", "", 1000)
	large := put("large", version+1_000_000<<8)
	large.Item.Value = make([]byte, 10_000)
	if applied, err := s.Apply(large); applied || !errors.Is(err, store.ErrFull) {
		t.Fatalf("Apply in a full store: got %t, %v, want %v", applied, err, store.ErrFull)
	}
	if item, _, _ := s.Look("ns", "large", request.Name{}); item.Version != 0 {
		t.Fatal("what had no room is there")
	}
	grown := put(keys[0], version+1_000_000<<8)
	grown.Item.Value = make([]byte, 10_000)
	if applied, err := s.Apply(grown); applied || !errors.Is(err, store.ErrFull) {
		t.Fatalf("Apply in a full store: got %t, %v, want %v", applied, err, store.ErrFull)
	}
	for i := range 100 { // of items that never were: no room for tombstones is no error
		mustApply(t, s, gone(keyOf(1_000_000+i), version+2_000_000<<8), true)
	}
	for _, key := range keys {
		mustApply(t, s, gone(key, version+2_000_000<<8), true)
		wantBounded(t, s)
	}
	mustApply(t, s, large, true)
	wantBounded(t, s)
}

func TestApplyPastItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNode(t, memory.Options{})
		mustApply(t, s, put("a", 10), true)
		ended := put("a", 11)
		ended.Item.Expires = time.Now()
		mustApply(t, s, ended, true)
		if got := copies(s); len(got) != 0 {
			t.Fatalf("got %+v after an item past its time", got)
		}
		mustApply(t, s, ending("a", 12), true)
		time.Sleep(untilEnded)
		if s.Digest(slotOf("ns", "a")) != 0 || len(copies(s)) != 0 {
			t.Error("an item past its time is shown")
		}
		mustApply(t, s, put("a", 11), false)
		mustApply(t, s, put("a", 13), true)
		mustApply(t, s, ending("a", 14), true)
		time.Sleep(untilEnded)
		if item, _, _ := s.Look("ns", "a", request.Name{}); item.Version != 0 {
			t.Errorf("Look finds an item past its time: %+v", item)
		}
		if st := s.Stats(); st.Items != 0 || st.Expired != 2 {
			t.Errorf("after Look at an item past its time: %+v", st)
		}
	})
}

// TestApplyFullPastItsTime: the item that a copy takes the place of is not what makes
// room for it.
func TestApplyFullPastItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNode(t, memory.Options{MaxBytes: small})
		mustApply(t, s, ending("a", 1), true)
		fill(t, s, "ns", "", 0)
		time.Sleep(untilEnded)
		large := put("a", 2)
		large.Item.Value = make([]byte, 10_000)
		if applied, err := s.Apply(large); applied || !errors.Is(err, store.ErrFull) {
			t.Fatalf("Apply in a full store: got %t, %v, want %v", applied, err, store.ErrFull)
		}
		if got := s.Stats().Expired; got != 0 {
			t.Fatalf("for nothing %d items expired", got)
		}
		mustApply(t, s, put("a", 2), true)
		if item, err := s.Get(t.Context(), "ns", "a"); err != nil || item.Version != 2 {
			t.Fatalf("Get: got version %d, %v, want 2", item.Version, err)
		}
		wantBounded(t, s)
	})
}

func TestSlot(t *testing.T) {
	s := openNode(t, memory.Options{})
	for i := range 500 {
		mustApply(t, s, put(strconv.Itoa(i), uint64(1+i)), true)
		if i%3 == 0 {
			mustApply(t, s, gone(strconv.Itoa(i), 1000), true)
		}
	}
	items := 0
	for slot := range slots {
		for _, c := range s.Slot(slot) {
			if slotOf(c.Namespace, c.Item.Key) != slot {
				t.Fatalf("%q is in slot %d", c.Item.Key, slot)
			}
			if i, _ := strconv.Atoi(c.Item.Key); c.Gone != (i%3 == 0) {
				t.Fatalf("%q: gone is %t", c.Item.Key, c.Gone)
			}
		}
		items += s.SlotItems(slot)
	}
	if n := len(copies(s)); n != 500 || items != 333 {
		t.Errorf("got %d copies, %d of them items, want 500 and 333", n, items)
	}
}

func TestDigestTellsVersions(t *testing.T) {
	a, b := openNode(t, memory.Options{}), openNode(t, memory.Options{})
	slot := slotOf("ns", "a")
	if got := a.Digest(slot); got != 0 {
		t.Fatalf("digest of an empty slot: %d", got)
	}
	mustApply(t, a, put("a", 5), true)
	mustApply(t, b, put("a", 6), true)
	if a.Digest(slot) == b.Digest(slot) {
		t.Error("two versions, one digest")
	}
	mustApply(t, a, put("a", 6), true)
	if a.Digest(slot) != b.Digest(slot) {
		t.Error("one version, two digests")
	}
}

// TestSilentRemoval: who follows the namespace is told nothing of Clear, which makes no tombstones.
func TestSilentRemoval(t *testing.T) {
	s := openNode(t, memory.Options{})
	for i := range 10_000 {
		write(t, s, put(strconv.Itoa(i), 0))
	}
	write(t, s, put("deleted", 0))
	write(t, s, gone("deleted", 0))
	before := s.Version()
	kept := s.SlotItems(0)
	for slot := 1; slot < slots; slot++ {
		s.Clear(slot)
	}
	if st := s.Stats(); st.Items != kept || kept == 0 {
		t.Fatalf("%d items are left, want %d", st.Items, kept)
	}
	if s.Version() != before {
		t.Error("Clear allocates versions")
	}
	s.Clear(0)
	if st := s.Stats(); st.Items != 0 {
		t.Fatalf("%d items are left", st.Items)
	}
	if s.Tombstone("ns", "deleted") == 0 || s.Tombstone("ns", "0") != 0 {
		t.Error("Clear removes tombstones, or makes them")
	}
	f := startFeed(t, s, "ns", before, all)
	if e := f.next(t); len(e.events) != 0 {
		t.Errorf("a feed was told of %+v", e.events)
	}
	mustPut(t, s, "ns", store.Write{Key: "last"})
	if e := f.next(t); len(e.events) != 1 || e.events[0].Item.Key != "last" {
		t.Errorf("got %+v, want last", e.events)
	}
}

func TestCopyKeepsItem(t *testing.T) {
	s := openNode(t, memory.Options{})
	c := put("a", 5)
	c.Item.Metadata = map[string]string{"type": "text"}
	c.Item.Expires = time.Now().Add(time.Hour)
	mustApply(t, s, c, true)
	item, err := s.Get(t.Context(), "ns", "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Item, item, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
}
