package ring_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// list returns all keys under a prefix, page by page.
func list(t *testing.T, n *node, prefix string) []string {
	t.Helper()
	var keys []string
	for q := (store.Query{Prefix: prefix, Limit: 37, MaxBytes: 1 << 20, KeysOnly: true}); ; {
		page, err := n.List(t.Context(), ns, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		if !page.More {
			return keys
		}
		q.After = keys[len(keys)-1]
	}
}

// TestListOverChanges: a list has every key once, in order, while nodes join and leave.
func TestListOverChanges(t *testing.T) {
	all := newRing(t, 2)
	var want []string
	for key := range fill(t, all[0], 300) {
		want = append(want, key)
	}
	slices.Sort(want)
	check := func() {
		t.Helper()
		if got := list(t, all[0], ""); !slices.Equal(got, want) {
			t.Fatalf("a list has %d keys, want %d, once and in order", len(got), len(want))
		}
	}
	for range 2 {
		n := join(t, all[0])
		for n.Ready(t.Context()) != nil {
			check()
		}
		left := make(chan error, 1)
		go func() { left <- n.Leave(t.Context()) }()
		for done := false; !done; {
			check()
			select {
			case err := <-left:
				done = true
				if err != nil {
					t.Error(err)
				}
			default:
			}
		}
		n.end(t)
		settle(t, all...)
	}
	n := join(t, all[0])
	deleted, err := all[1].DeletePrefix(t.Context(), ns, "k")
	if err != nil || deleted == 0 || deleted > len(want) {
		t.Errorf("delete the prefix while a node joins: got %d, %v", deleted, err)
	}
	settle(t, all[0], all[1], n)
	if got := list(t, n, ""); len(got) != 0 {
		t.Errorf("%d keys are left", len(got))
	}
}

// TestCutOff: a node that is cut off never answers with older data than what was
// acknowledged, until it is an island of its own; callers wait no longer than they said.
func TestCutOff(t *testing.T) {
	w := newWires()
	var all []*node
	for range 3 {
		n := &node{}
		start(t, n, w.from(n))
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	acknowledged := put(t, all[0], "k", "v")
	w.part(all[2])
	defer w.part() // so that the nodes end at once
	waited := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		item, err := all[2].Get(ctx, ns, "k")
		cancel()
		if all[2].Progress().Nodes == 1 {
			break // an island
		}
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			waited++
		case err != nil:
			t.Fatalf("get at the node that is cut off: %v", err)
		case item.Version < acknowledged:
			t.Fatalf("got version %d after %d was acknowledged", item.Version, acknowledged)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		if version, err := all[0].Put(ctx, ns, store.Write{Key: "k"}); err == nil {
			if version <= acknowledged {
				t.Fatalf("version %d after %d", version, acknowledged)
			}
			acknowledged = version
		}
		cancel()
	}
	if waited == 0 {
		t.Error("no call waited")
	}
	put(t, all[1], "k", "w")
	if item, err := all[0].Get(t.Context(), ns, "k"); err != nil || item.Version <= acknowledged {
		t.Errorf("on the bigger side: got version %d, %v, want one after %d", item.Version, err, acknowledged)
	}
}
