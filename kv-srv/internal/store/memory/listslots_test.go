package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

func listSlots(t *testing.T, s *memory.Store, q store.Query, has func(int) bool) []string {
	t.Helper()
	var keys []string
	for {
		page, err := s.ListSlots(t.Context(), "ns", q, has)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > q.Limit || page.More && len(page.Items) == 0 {
			t.Fatalf("a page of %d items", len(page.Items))
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

func TestListSlots(t *testing.T) {
	s := openNode(t, memory.Options{})
	for i := range 20_000 {
		c := put(fmt.Sprintf("k/%05d", i), uint64(1+i))
		if i%10 == 0 {
			c.Item.Expires = time.Unix(2, 0)
		}
		mustApply(t, s, c, true)
	}
	mustApply(t, s, put("l", 1), true)
	for name, has := range map[string]func(int) bool{
		"all":  all,
		"some": func(slot int) bool { return slot > 8 },
		"none": func(int) bool { return false },
	} {
		var want []string
		for i := range 20_000 {
			if key := fmt.Sprintf("k/%05d", i); i%10 != 0 && has(slotOf("ns", key)) {
				want = append(want, key)
			}
		}
		for _, limit := range []int{997, 100_000} {
			got := listSlots(t, s, store.Query{Prefix: "k/", Limit: limit, MaxBytes: 1 << 30}, has)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d a page: %s", name, limit, diff)
			}
		}
	}
}

func TestListSlotsIsFollowedByFeed(t *testing.T) {
	s := openNode(t, memory.Options{})
	write(t, s, put("a", 0))
	version := s.Begin()
	page, err := s.ListSlots(t.Context(), "ns", store.Query{Limit: 10, MaxBytes: 1 << 20, KeysOnly: true}, all)
	if err != nil || len(page.Items) != 1 || page.Items[0].Value != nil {
		t.Fatalf("ListSlots: got %+v, %v", page, err)
	}
	mustApply(t, s, put("b", version), true)
	s.End(version)
	f := startFeed(t, s, "ns", page.Version, all)
	if e := f.next(t); len(e.events) != 1 || e.events[0].Item.Key != "b" {
		t.Errorf("a feed from version %d: got %+v, want b", page.Version, e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ListSlots(ctx, "ns", store.Query{Limit: 1}, all); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
