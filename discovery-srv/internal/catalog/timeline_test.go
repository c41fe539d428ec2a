package catalog_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// pages are all events, page by page.
func pages(c *catalog.Catalog, n catalog.Name, instance string, size int) (all []*discoverypb.Event) {
	for before := uint64(0); ; {
		some, more := c.Timeline(n, instance, before, size)
		all = append(all, some...)
		if more == 0 {
			return all
		}
		before = more
	}
}

func TestTimeline(t *testing.T) {
	c := open(catalog.Options{})
	put(t, c, shop, "a", "1")
	put(t, c, shop, "b", "1")
	put(t, c, cart, "a", "1")
	drained := instance("a", "1")
	drained.Status = discoverypb.Status_STATUS_DRAINING
	if _, err := c.Put(shop, drained, &discoverypb.Event{Type: discoverypb.Event_TYPE_STATUS, Reason: "operator: a deploy"}); err != nil {
		t.Fatal(err)
	}
	id := catalog.ID{Name: shop, Instance: "a"}
	if got := c.Known(id); got != discoverypb.Event_TYPE_UNSPECIFIED {
		t.Errorf("Known of one that is there: got %v", got)
	}
	c.Remove(id, &discoverypb.Event{Type: discoverypb.Event_TYPE_LOST, Reason: "no renewal"})
	if got := c.Known(id); got != discoverypb.Event_TYPE_LOST {
		t.Errorf("Known of one that was lost: got %v", got)
	}
	line := func(id string, what discoverypb.Event_Type, s discoverypb.Status, reason string) *discoverypb.Event {
		return &discoverypb.Event{
			InstanceId: id, Type: what, Status: s, Reason: reason, Time: timestamppb.New(begin), Address: "10.0.0.1:80", Version: "1",
		}
	}
	const up, draining = discoverypb.Status_STATUS_UP, discoverypb.Status_STATUS_DRAINING
	want := []*discoverypb.Event{
		line("a", discoverypb.Event_TYPE_LOST, draining, "no renewal"),
		line("a", discoverypb.Event_TYPE_STATUS, draining, "operator: a deploy"),
		line("b", discoverypb.Event_TYPE_REGISTERED, up, ""),
		line("a", discoverypb.Event_TYPE_REGISTERED, up, ""),
	}
	for size := 1; size < 6; size++ {
		if diff := cmp.Diff(want, pages(c, shop, "", size), protocmp.Transform()); diff != "" {
			t.Errorf("of the service, %d on a page (-want +got):\n%s", size, diff)
		}
		if diff := cmp.Diff(slices.Delete(slices.Clone(want), 2, 3), pages(c, shop, "a", size), protocmp.Transform()); diff != "" {
			t.Errorf("of an instance, %d on a page (-want +got):\n%s", size, diff)
		}
	}
	if got := pages(c, catalog.Name{Namespace: "other", Service: "shop"}, "", 1); got != nil {
		t.Errorf("of no service: got %v", got)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	c := open(catalog.Options{})
	for i := range 25 {
		put(t, c, shop, "a", fmt.Sprint(i))
	}
	got := pages(c, shop, "a", 7)
	if len(got) != 20 || got[0].GetVersion() != "24" || got[19].GetVersion() != "5" {
		t.Errorf("of 25 events: got %d, from %v to %v, want the last 20", len(got), got[0], got[len(got)-1])
	}
	for i := range 10_000 {
		id := fmt.Sprint("passing ", i)
		put(t, c, cart, id, "1")
		remove(t, c, cart, id)
	}
	has := func(n catalog.Name, id string) bool { return len(pages(c, n, id, 100)) > 0 }
	if !has(cart, "passing 0") || !has(cart, "passing 9999") || len(pages(c, cart, "", 1000)) != 20_000 {
		t.Error("of 10000 that are gone not all is known")
	}
	put(t, c, cart, "passing 0", "1") // it is there again: its story begins to count when it ends again
	remove(t, c, cart, "passing 0")
	remove(t, c, shop, "a")
	if has(cart, "passing 1") || !has(cart, "passing 2") || !has(cart, "passing 0") || !has(shop, "a") {
		t.Error("10001 are gone: want the first that went forgotten, and no other")
	}
	if got := c.Known(catalog.ID{Name: cart, Instance: "passing 1"}); got != discoverypb.Event_TYPE_UNSPECIFIED {
		t.Errorf("Known of what is forgotten: got %v", got)
	}
}

// TestTimelineModel turns the pages of a timeline to which events come meanwhile.
func TestTimelineModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := open(catalog.Options{})
		var want []string // the latest first
		happen := func() {
			for range rapid.IntRange(0, 12).Draw(t, "events") {
				id, version := fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "id")), fmt.Sprint(len(want))
				if _, err := c.Put(shop, instance(id, version), event(discoverypb.Event_TYPE_STATUS)); err != nil {
					t.Fatal(err)
				}
				want = append([]string{id + " " + version}, want...)
			}
		}
		happen()
		instance := rapid.SampledFrom([]string{"", "0", "1"}).Draw(t, "instance")
		if instance != "" {
			want = slices.DeleteFunc(want, func(s string) bool { return s[:1] != instance })
		}
		var got []string
		for before := uint64(0); ; {
			some, more := c.Timeline(shop, instance, before, rapid.IntRange(1, 5).Draw(t, "size"))
			for _, e := range some {
				got = append(got, e.GetInstanceId()+" "+e.GetVersion())
			}
			if more == 0 {
				break
			}
			before = more
			if rapid.IntRange(0, 9).Draw(t, "one comes") == 0 {
				put(t, c, shop, "3", "of later")
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
