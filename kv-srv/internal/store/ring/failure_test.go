package ring_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

const ns = "default"

func put(t *testing.T, n *node, key, value string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	version, err := n.Put(ctx, ns, store.Write{Key: key, Value: []byte(value), RequestID: key + value})
	if err != nil {
		t.Fatalf("put %s at %s: %v", key, n.name, err)
	}
	return version
}

func get(t *testing.T, n *node, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	item, err := n.Get(ctx, ns, key)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatalf("get %s at %s: %v", key, n.name, err)
	}
	return string(item.Value)
}

// remove tells whether there was something to delete.
func remove(t *testing.T, n *node, key string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := n.Delete(ctx, ns, store.Removal{Key: key})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("delete %s at %s: %v", key, n.name, err)
	}
	return err == nil
}

func wantAll(t *testing.T, n *node, want map[string]string) {
	t.Helper()
	bad := 0
	for key, value := range want {
		if got := get(t, n, key); got != value {
			if bad++; bad < 10 {
				t.Errorf("%s at %s: got %q, want %q", key, n.name, got, value)
			}
		}
	}
	if bad > 0 {
		t.Fatalf("%d of %d keys are wrong at %s", bad, len(want), n.name)
	}
}

func fill(t *testing.T, n *node, keys int) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i := range keys {
		key := "k" + strconv.Itoa(i)
		all[key] = fmt.Sprint("v", i)
		put(t, n, key, all[key])
	}
	return all
}

// TestLost: what was acknowledged is there when one node after the other is lost, if the
// rest had the time to make new copies.
func TestLost(t *testing.T) {
	all := newRing(t, 4)
	want := fill(t, all[0], 1000)
	for len(all) > 1 {
		all[0].end(t)
		all = all[1:]
		for _, n := range all {
			wantAll(t, n, want)
		}
		settle(t, all...)
	}
}

// TestJoins: who joins has its share, and nothing is missed meanwhile.
func TestJoins(t *testing.T) {
	all := newRing(t, 3)
	want := fill(t, all[0], 1000)
	n := join(t, all[0])
	for range 5 {
		wantAll(t, all[1], want)
	}
	all = append(all, n)
	settle(t, all...)
	r, err := n.Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys, copies := int64(0), int64(0)
	for _, m := range r.Nodes {
		keys, copies = keys+m.Keys, copies+m.Copies
		if m.Name == n.name && (m.Share < 0.2 || m.Share > 0.3) {
			t.Errorf("the fourth node has %.3f of the keys", m.Share)
		}
	}
	if keys != 1000 || copies != 1000 {
		t.Errorf("got %d items and %d copies, want 1000 of each", keys, copies)
	}
	wantAll(t, n, want)
}

// TestLeaves: who leaves hands over, so that even two at once lose nothing.
func TestLeaves(t *testing.T) {
	all := newRing(t, 4)
	want := fill(t, all[0], 1000)
	left := make(chan error)
	for _, n := range all[:2] {
		go func() { left <- n.Leave(t.Context()) }()
	}
	for range 2 {
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
	wantAll(t, all[0], want) // it still asks the others
	for _, n := range all[:2] {
		n.end(t)
	}
	settle(t, all[2:]...)
	wantAll(t, all[2], want)
	wantAll(t, all[3], want)
}

// TestPartition: each side goes on; afterwards the later write of each key stays, whoever
// wrote it, and what was written on both sides is counted.
func TestPartition(t *testing.T) {
	w := newWires()
	var all []*node
	for range 3 {
		n := &node{}
		start(t, n, w.from(n))
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	want := fill(t, all[0], 300)
	for i := range 30 {
		put(t, all[0], "deleted"+strconv.Itoa(i), "v")
	}
	big, small := all[:2], all[2:]
	w.part(small...)
	settle(t, big...)
	settle(t, small...)
	for i := range 100 {
		key := "k" + strconv.Itoa(i)
		first, second := big[i%2], small[0]
		if i%3 == 0 {
			first, second = second, first
		}
		put(t, first, key, "first")
		put(t, second, key, "second")
		want[key] = "second"
		put(t, small[0], "small"+strconv.Itoa(i), "alone")
		want["small"+strconv.Itoa(i)] = "alone"
		put(t, big[0], "big"+strconv.Itoa(i), "alone")
		want["big"+strconv.Itoa(i)] = "alone"
	}
	conflicts := int64(100)
	for i := range 30 { // the small side does not have all of them
		key := "deleted" + strconv.Itoa(i)
		want[key] = "v"
		switch i % 3 {
		case 0: // on one side
			if remove(t, small[0], key) {
				want[key] = ""
			}
		case 1:
			if remove(t, big[0], key) {
				want[key] = ""
			}
		case 2: // after it was written on the other
			put(t, big[0], key, "again")
			want[key] = "again"
			if remove(t, small[0], key) {
				want[key] = ""
				conflicts++
			}
		}
	}
	w.part()
	settle(t, all...)
	for _, n := range all {
		wantAll(t, n, want)
	}
	counted := int64(0)
	r, err := all[0].Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Nodes {
		counted += n.Conflicts
	}
	if counted != conflicts {
		t.Errorf("%d conflicts were counted, want %d", counted, conflicts)
	}
}

// TestRetry: a request that was answered is not done again by who takes over, be it a
// node that had it, or one that has joined since.
func TestRetry(t *testing.T) {
	all := newRing(t, 3)
	add := func(n *node, id string) int64 {
		t.Helper()
		sum, _, err := n.Increment(t.Context(), ns, store.Addition{Key: "n" + id, Delta: 1, RequestID: id})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
		add(all[0], ids[i])
	}
	all[0].end(t)
	for _, id := range ids {
		if sum := add(all[1], id); sum != 1 {
			t.Errorf("after a loss: got %d, want 1", sum)
		}
	}
	n := join(t, all[1])
	settle(t, all[1], all[2], n)
	all[1].end(t)
	for _, id := range ids {
		if sum := add(n, id); sum != 1 {
			t.Errorf("after a join and a loss: got %d, want 1", sum)
		}
	}
}

// TestTwoRings: two rings that hear of each other become one, which has what both had.
func TestTwoRings(t *testing.T) {
	one, other := newRing(t, 2), newRing(t, 1)
	want := fill(t, one[0], 300)
	for i := range 100 {
		key := "k" + strconv.Itoa(i)
		put(t, other[0], key, "later")
		want[key] = "later"
		put(t, other[0], "other"+strconv.Itoa(i), "v")
		want["other"+strconv.Itoa(i)] = "v"
	}
	one[0].Meet(other[0].name)
	settle(t, append(one, other...)...)
	for _, n := range append(one, other...) {
		wantAll(t, n, want)
	}
}
