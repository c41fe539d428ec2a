package ring_test

import (
	"bytes"
	"strconv"
	"sync"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
)

// TestLargeSlot: a slot that takes several messages, for its values, its keys or the
// requests that are remembered, comes to a node that joins as it is.
func TestLargeSlot(t *testing.T) {
	three := func(o *ring.Options) { o.Replicas, o.Memory = 3, memory.Options{MaxBytes: 512 << 20} }
	all := newRing(t, 1, three)
	slot := placement.Slot(ns, "counter")
	large := bytes.Repeat([]byte("v"), 1<<20)
	var keys []string
	for i := 0; len(keys) < 600; i++ {
		if key := "k" + strconv.Itoa(i); placement.Slot(ns, key) == slot {
			keys = append(keys, key)
		}
	}
	for i, key := range keys {
		value := []byte(key)
		if i < 5 {
			value = large
		}
		if _, err := all[0].Put(t.Context(), ns, store.Write{Key: key, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	const requests = 60_000 // more than one message has
	var adding sync.WaitGroup
	for lane := range 4 {
		adding.Go(func() {
			for i := lane; i < requests; i += 4 {
				if _, _, err := all[0].Increment(t.Context(), ns, store.Addition{Key: "counter", Delta: 1, RequestID: strconv.Itoa(i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	adding.Wait()
	n := newNode(t, three)
	n.Meet(all[0].name)
	settle(t, all[0], n)
	all[0].end(t)
	for i, key := range keys {
		want := key
		if i < 5 {
			want = string(large)
		}
		if got := get(t, n, key); got != want {
			t.Fatalf("%s: got %d bytes, want %d", key, len(got), len(want))
		}
	}
	for i := 0; i < requests; i += 997 {
		if _, _, err := n.Increment(t.Context(), ns, store.Addition{Key: "counter", Delta: 1, RequestID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, n, "counter"); got != strconv.Itoa(requests) {
		t.Errorf("after requests were sent again: got %s, want %d", got, requests)
	}
}
