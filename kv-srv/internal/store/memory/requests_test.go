package memory_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// TestApplyAgainOfARequest: the answer is that of the write that took place last, and is
// remembered from then.
func TestApplyAgainOfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNode(t, memory.Options{})
		slot, first := slotOf("ns", "a"), asked(put("a", 5), "id")
		mustApply(t, s, first, true)
		before := s.Requests(slot)[0].Since
		time.Sleep(4 * time.Minute)
		again := asked(put("a", 9), "id")
		mustApply(t, s, again, true)
		mustApply(t, s, first, false) // it was under way for long
		if _, answer, done := s.Look("ns", "a", first.Request); !done || answer != again.Answer {
			t.Errorf("got %+v, %t, want %+v", answer, done, again.Answer)
		}
		if all := s.Requests(slot); len(all) != 1 || !all[0].Since.Equal(before.Add(4*time.Minute)) {
			t.Errorf("remembered: %+v", all)
		}
		time.Sleep(store.RequestMemory - time.Second)
		if _, _, done := s.Look("ns", "a", first.Request); !done {
			t.Error("forgotten too early")
		}
	})
}

// TestManyRequestsOfAKey: all are found, wherever they are kept.
func TestManyRequestsOfAKey(t *testing.T) {
	a, b := openNode(t, memory.Options{}), openNode(t, memory.Options{})
	slot := slotOf("ns", "a")
	const n = 300
	for i := range n {
		mustApply(t, a, asked(put("a", uint64(1+i)), strconv.Itoa(i)), true)
	}
	for _, i := range rand.Perm(n) {
		c := asked(put("a", uint64(1+i)), strconv.Itoa(i))
		if _, err := b.Apply(c); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*memory.Store{a, b} {
			if _, answer, done := s.Look("ns", "a", c.Request); !done || answer != c.Answer {
				t.Fatalf("request %d: got %+v, %t", i, answer, done)
			}
		}
	}
	if a.Digest(slot) != b.Digest(slot) || len(a.Requests(slot)) != n {
		t.Errorf("%d and %d requests, digests %x and %x", len(a.Requests(slot)), len(b.Requests(slot)), a.Digest(slot), b.Digest(slot))
	}
	again := asked(put("a", 1000), "7")
	mustApply(t, a, again, true)
	if _, answer, _ := a.Look("ns", "a", again.Request); answer != again.Answer || len(a.Requests(slot)) != n {
		t.Errorf("done again: %+v, %d requests", answer, len(a.Requests(slot)))
	}
	mustApply(t, b, put("a", 1000), true)
	if a.Digest(slot) == b.Digest(slot) {
		t.Error("two answers, one digest")
	}
}

// TestRoom: there is room for a copy if there is room to apply it, with its version.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, evict := range []bool{false, true} {
			s := openNode(t, memory.Options{MaxBytes: small, Evict: evict})
			was := map[bool]int{}
			for i := range 20_000 {
				key := keyOf(rand.IntN(2000))
				c := put(key, uint64(1+i))
				c.Item.Value = make([]byte, rand.IntN(1000)*rand.IntN(2000)/(1+rand.IntN(1000)))
				switch rand.IntN(10) {
				case 0:
					c = gone(key, uint64(1+i))
				case 1:
					c.Item.Expires = time.Now().Add(time.Duration(rand.IntN(20)) * time.Second)
				}
				if rand.IntN(2) == 0 {
					c = asked(c, strconv.Itoa(i))
				}
				if i%10 == 0 {
					time.Sleep(time.Second)
					synctest.Wait() // for the sweeper
				}
				coming := c
				coming.Item.Version = 0
				room := s.Room(coming)
				_, err := s.Apply(c)
				if (room == nil) != (err == nil) || room != nil && !errors.Is(room, store.ErrFull) {
					t.Fatalf("Room: %v, Apply: %v", room, err)
				}
				was[err == nil]++
				wantBounded(t, s)
			}
			if was[true] == 0 || was[false] == 0 {
				t.Errorf("evict %t: room and not: %v", evict, was)
			}
		}
	})
}

// TestRoomKeeps: what Room makes room for is not what it would replace.
func TestRoomKeeps(t *testing.T) {
	s := openNode(t, memory.Options{MaxBytes: small, Evict: true})
	for i := range 3000 {
		mustApply(t, s, put(keyOf(i), uint64(10+i)), true)
	}
	mustApply(t, s, put("a", 5000), true)
	larger := put("a", 6000)
	larger.Item.Value = make([]byte, small*3/4)
	if err := s.Room(larger); err != nil {
		t.Fatal(err)
	}
	if item, _, _ := s.Look("ns", "a", request.Name{}); item.Version != 5000 {
		t.Errorf("got version %d, want 5000", item.Version)
	}
	if got := s.Stats().Evicted; got == 0 {
		t.Error("nothing was evicted")
	}
}
