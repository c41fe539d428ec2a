package memory_test

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// asked gives a copy a request, answered with its version.
func asked(c memory.Copy, id string) memory.Copy {
	c.Request = request.Of(request.Put, c.Namespace, c.Item.Key, id)
	c.Answer = request.Answer{Sum: 7, Version: c.Item.Version}
	return c
}

// requests returns the remembered requests of a slot in an order.
func requests(s *memory.Store, slot int) []memory.Remembered {
	return slices.SortedFunc(slices.Values(s.Requests(slot)), func(a, b memory.Remembered) int {
		return bytes.Compare(a.Sum[:], b.Sum[:])
	})
}

// slotState is all that Restore makes equal.
type slotState struct {
	Copies   []memory.Copy
	Requests []memory.Remembered
	Digest   uint64
}

func stateOf(s *memory.Store, slot int) slotState {
	found := slices.SortedFunc(slices.Values(s.Slot(slot)), func(a, b memory.Copy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Item.Key, b.Item.Key))
	})
	return slotState{found, requests(s, slot), s.Digest(slot)}
}

// drawState gives a store any state. Two items of one name and version are the same; some
// are past their time.
func drawState(t *rapid.T, s *memory.Store, c *clock, origin time.Time) {
	for range rapid.IntRange(0, 40).Draw(t, "copies") {
		version := rapid.Uint64Range(1, 60).Draw(t, "version")
		drawn := put(strconv.FormatUint(rapid.Uint64Range(0, 30).Draw(t, "key"), 10), version)
		drawn.Namespace = rapid.SampledFrom([]string{"ns", "other"}).Draw(t, "namespace")
		drawn.Item.Value = strconv.AppendUint(nil, version, 10)
		if version%5 == 0 {
			drawn.Item.Expires = origin.Add(time.Duration(version) * time.Minute / 2)
		}
		if drawn.Gone = rapid.Bool().Draw(t, "gone"); drawn.Gone {
			drawn.Item = store.Item{Key: drawn.Item.Key, Version: version}
		}
		if rapid.Bool().Draw(t, "asked") {
			drawn = asked(drawn, strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "request")))
		}
		if _, err := s.Apply(drawn); err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 5).Draw(t, "later") == 0 {
			c.advance(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 4 * time.Minute}).Draw(t, "by"))
		}
	}
}

// settle has a store forget at once what it may forget.
func settle(t *rapid.T, s *memory.Store) {
	if _, err := s.Apply(asked(put("settled", 0), "id")); err != nil {
		t.Fatal(err)
	}
}

// TestRestore: whatever two nodes have, afterwards the slot is the same at both, and the
// others are what they were.
func TestRestore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin, c := time.Now(), newClock()
		opts := memory.Options{Slots: slots, Hash: hash, Now: c.now}
		owner, replica := memory.Open(opts), memory.Open(opts)
		defer owner.Close()
		defer replica.Close()
		drawState(t, owner, c, origin)
		drawState(t, replica, c, origin)
		settle(t, owner)
		settle(t, replica)
		for slot := range slots {
			var before []slotState
			for other := range slots {
				before = append(before, stateOf(replica, other))
			}
			restore(t, owner, replica, slot, rapid.Bool().Draw(t, "bare"))
			before[slot] = stateOf(owner, slot)
			for other := range slots {
				if diff := gocmp.Diff(before[other], stateOf(replica, other)); diff != "" {
					t.Fatalf("slot %d after slot %d was restored:\n%s", other, slot, diff)
				}
			}
		}
	})
}

// restore does what an owner and its replica do.
func restore(t *rapid.T, owner, replica *memory.Store, slot int, bare bool) {
	copies, most := owner.Slot(slot), uint64(0)
	sent := slices.Clone(copies)
	for i, c := range copies {
		most = max(most, c.Item.Version)
		if bare {
			sent[i].Item.Value = nil
		}
	}
	wanted, err := replica.Restore(slot, sent, owner.Requests(slot), bare)
	if err != nil || len(wanted) > 0 && !bare {
		t.Fatalf("Restore: got %v, %v", wanted, err)
	}
	for _, i := range wanted {
		if applied, err := replica.Apply(copies[i]); err != nil || !applied {
			t.Fatalf("Apply of what is wanted: got %t, %v", applied, err)
		}
	}
	if replica.Version() < most {
		t.Fatalf("last known version: got %d, want %d at least", replica.Version(), most)
	}
}

// TestRestoreTwice: what is equal stays as it is, and takes no more memory.
func TestRestoreTwice(t *testing.T) {
	owner, replica := openNode(t, memory.Options{}), openNode(t, memory.Options{})
	slot := slotOf("ns", "a")
	mustApply(t, owner, asked(put("a", 5), "one"), true)
	for range 500 {
		mustApply(t, owner, asked(gone("a", owner.Version()+1), strconv.FormatUint(owner.Version(), 10)), true)
	}
	mustApply(t, owner, put("a", owner.Version()+1), true)
	for _, bare := range []bool{false, true} {
		for range 2 {
			if wanted, err := replica.Restore(slot, owner.Slot(slot), owner.Requests(slot), bare); err != nil || len(wanted) > 0 {
				t.Fatalf("Restore, bare %t: got %v, %v", bare, wanted, err)
			}
		}
	}
	if diff := gocmp.Diff(stateOf(owner, slot), stateOf(replica, slot)); diff != "" {
		t.Error(diff)
	}
	if got := len(requests(replica, slot)); got != 501 {
		t.Errorf("%d requests are remembered, want 501", got)
	}
}

// TestRestoreFreesAll: what a slot no longer has takes no memory.
func TestRestoreFreesAll(t *testing.T) {
	s := openNode(t, memory.Options{})
	for i := range 500 {
		mustApply(t, s, asked(gone("a", uint64(1+i)), strconv.Itoa(i)), true)
		mustApply(t, s, asked(gone(strconv.Itoa(i), uint64(1+i)), "id"), true)
	}
	for slot := range slots {
		if _, err := s.Restore(slot, nil, nil, false); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(slotState{Requests: requests(s, slot)}, stateOf(s, slot)); diff != "" || len(s.Requests(slot)) > 0 {
			t.Error(diff)
		}
	}
	if got := s.Stats().Bytes; got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}

// TestRestoredForgets: a copy of an answer lives no longer than the answer.
func TestRestoredForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, replica := openNode(t, memory.Options{}), openNode(t, memory.Options{})
		slot, c := slotOf("ns", "a"), asked(put("a", 5), "id")
		mustApply(t, owner, c, true)
		time.Sleep(store.RequestMemory - time.Second)
		if _, err := replica.Restore(slot, owner.Slot(slot), owner.Requests(slot), false); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*memory.Store{owner, replica} {
			if _, answer, done := s.Look("ns", "a", c.Request); !done || answer != c.Answer {
				t.Fatalf("before it may be forgotten: got %+v, %t", answer, done)
			}
		}
		old := owner.Requests(slot)
		time.Sleep(3 * time.Minute)
		for _, s := range []*memory.Store{owner, replica} {
			if _, _, done := s.Look("ns", "a", c.Request); done || len(s.Requests(slot)) > 0 {
				t.Fatal("it is not forgotten")
			}
		}
		if _, err := replica.Restore(slot, owner.Slot(slot), old, false); err != nil || len(replica.Requests(slot)) > 0 {
			t.Fatalf("what is forgotten was restored: %v", err)
		}
		if owner.Digest(slot) != replica.Digest(slot) {
			t.Error("two digests")
		}
	})
}

// TestRestoreFull: what has room comes, and the rest when there is more.
func TestRestoreFull(t *testing.T) {
	owner := openNode(t, memory.Options{MaxBytes: 4 * small})
	s := openNode(t, memory.Options{MaxBytes: small})
	slot := slotOf("ns", "a")
	large := put("a", 1_000)
	large.Item.Value = make([]byte, 60_000)
	mustApply(t, owner, asked(large, "id"), true)
	for i := range 10_000 {
		if key := strconv.Itoa(i); slotOf("ns", key) == slot {
			mustApply(t, owner, put(key, uint64(2_000+i)), true)
			mustApply(t, s, put(key, uint64(20_000+i)), true) // to be replaced, and to stay
		}
	}
	for i := 0; ; i++ {
		stays := put(strconv.Itoa(20_000+i), 1)
		if slotOf("ns", stays.Item.Key) == slot {
			continue
		}
		if _, err := s.Apply(stays); errors.Is(err, store.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Restore(slot, owner.Slot(slot), owner.Requests(slot), false)
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("got %v, want %v", err, store.ErrFull)
	}
	wantBounded(t, s)
	if got, want := s.SlotItems(slot), owner.SlotItems(slot)-1; got != want {
		t.Fatalf("%d items, want %d", got, want)
	}
	for other := range slots {
		if other != slot {
			s.Clear(other)
		}
	}
	if _, err := s.Restore(slot, owner.Slot(slot), owner.Requests(slot), false); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(stateOf(owner, slot), stateOf(s, slot)); diff != "" {
		t.Error(diff)
	}
}

// TestRestoreFullOfRequests: without room for its requests a slot keeps those it has.
func TestRestoreFullOfRequests(t *testing.T) {
	owner, s := openNode(t, memory.Options{}), openNode(t, memory.Options{MaxBytes: small})
	slot := slotOf("ns", "a")
	for i := range 5_000 {
		mustApply(t, owner, asked(put("a", 0), strconv.Itoa(i)), false)
	}
	mustApply(t, s, asked(put("a", 0), "here"), false)
	if _, err := s.Restore(slot, nil, owner.Requests(slot), false); !errors.Is(err, store.ErrFull) {
		t.Fatalf("got %v, want %v", err, store.ErrFull)
	}
	if got := len(s.Requests(slot)); got != 1 {
		t.Errorf("%d requests are remembered, want 1", got)
	}
	if _, err := s.Restore(slot, nil, owner.Requests(slot)[:2_000], false); err != nil || len(s.Requests(slot)) != 2_000 {
		t.Errorf("%d requests are remembered, %v, want 2000", len(s.Requests(slot)), err)
	}
	wantBounded(t, s)
}

// TestRestoreTellsNobody: what a node is brought up to date with is no change of its own.
func TestRestoreTellsNobody(t *testing.T) {
	s := openNode(t, memory.Options{})
	from := s.Version()
	keys := inSlot(slotOf("ns", "a"), 4)
	mustApply(t, s, put(keys[0], 1), true)
	mustApply(t, s, put(keys[1], 1), true)
	mustApply(t, s, put(keys[2], 1), true)
	copies := []memory.Copy{put(keys[3], from+30), put(keys[0], from+10), gone(keys[1], from+20)}
	if _, err := s.Restore(slotOf("ns", "a"), copies, nil, false); err != nil {
		t.Fatal(err)
	}
	e := startFeed(t, s, "ns", from, all).next(t)
	if got := toldBy(e, from); len(got) > 0 || e.upTo != from+30 {
		t.Errorf("up to %d: %v", e.upTo-from, got)
	}
}

type told struct {
	Kind    store.Kind
	Key     string
	Version uint64 // after the one the feed began at
}

func toldBy(e emitted, from uint64) []told {
	var all []told
	for _, event := range e.events {
		all = append(all, told{event.Kind, event.Item.Key, event.Version - from})
	}
	return all
}

// TestRestoreUndoes: nobody is told of a write that the owner never knew of.
func TestRestoreUndoes(t *testing.T) {
	for _, bare := range []bool{false, true} {
		s := openNode(t, memory.Options{})
		from := s.Version()
		keys := inSlot(slotOf("ns", "a"), 6)
		var copies []memory.Copy
		var want []told
		for i, key := range keys[:4] {
			c := put(key, from+1+uint64(i))
			if i%2 == 1 {
				c = gone(key, c.Item.Version)
			}
			mustApply(t, s, c, true)
			copies = append(copies, c)
			want = append(want, told{store.Put, key, uint64(1 + i)})
			if c.Gone {
				want[i].Kind = store.Deleted
			}
		}
		mustApply(t, s, put(keys[0], from+10), true)
		mustApply(t, s, put(keys[1], from+11), true)
		mustApply(t, s, gone(keys[2], from+12), true)
		mustApply(t, s, gone(keys[3], from+13), true)
		mustApply(t, s, put(keys[4], from+14), true)
		mustApply(t, s, gone(keys[5], from+15), true)
		mustApply(t, s, put("another", from+16), true)
		wanted, err := s.Restore(slotOf("ns", "a"), copies, nil, bare)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range wanted {
			mustApply(t, s, copies[i], true)
		}
		want = append(want, told{store.Put, "another", 16})
		e := startFeed(t, s, "ns", from, all).next(t)
		if diff := gocmp.Diff(want, toldBy(e, from)); diff != "" {
			t.Errorf("bare %t:\n%s", bare, diff)
		}
	}
}

// inSlot returns keys of a slot.
func inSlot(slot, n int) []string {
	var keys []string
	for i := 0; len(keys) < n; i++ {
		if key := strconv.Itoa(i); slotOf("ns", key) == slot {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestRestoreForgottenDeletions: a deletion that the owner may have forgotten counts as
// forgotten, one that never was does not.
func TestRestoreForgottenDeletions(t *testing.T) {
	s := openNode(t, memory.Options{})
	version := s.Begin()
	s.End(version)
	mustApply(t, s, gone("a", version), true)
	if _, err := s.Restore(slotOf("ns", "a"), nil, nil, false); err != nil || s.Forgotten() != 0 {
		t.Errorf("forgotten: version %d, %v", s.Forgotten(), err)
	}
	old := uint64(time.Now().Add(-store.RequestMemory).UnixMicro()) << 8
	mustApply(t, s, gone("a", old), true)
	if _, err := s.Restore(slotOf("ns", "a"), nil, nil, false); err != nil || s.Forgotten() != old {
		t.Errorf("forgotten: version %d, %v, want %d", s.Forgotten(), err, old)
	}
}
