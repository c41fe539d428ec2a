package catalog_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// watch follows some services, and has heard of what there is.
func watch(t testing.TB, c *catalog.Catalog, names ...catalog.Name) *catalog.Watch {
	t.Helper()
	w := c.Watch(catalog.Scope{Names: names}, 0)
	t.Cleanup(w.Close)
	if u := next(w); !u.Snapshot {
		t.Fatalf("first update: got %+v, want a snapshot", u)
	}
	return w
}

// next waits for the bell.
func next(w *catalog.Watch) catalog.Update {
	<-w.Bell()
	return w.Next()
}

// told is an update in words.
func told(u catalog.Update) (all []string) {
	if u.Snapshot {
		all = append(all, "snapshot")
	}
	for _, c := range u.Changes {
		for _, i := range c.GetInstances() {
			all = append(all, fmt.Sprint(c.GetService(), " has ", i.GetId(), " ", i.GetVersion()))
		}
		for _, r := range c.GetRemoved() {
			all = append(all, fmt.Sprint(c.GetService(), " lost ", r.GetId(), " ", r.GetType(), " ", r.GetReason()))
		}
	}
	return all
}

func TestUpdates(t *testing.T) {
	c := open(catalog.Options{})
	w := watch(t, c, shop)
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, told(next(w))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	put(t, c, shop, "a", "1")
	put(t, c, shop, "b", "1")
	expect("shop has b 1", "shop has a 1")

	put(t, c, shop, "a", "2")
	put(t, c, shop, "a", "3")
	expect("shop has a 3")

	c.Remove(catalog.ID{Name: shop, Instance: "b"}, &discoverypb.Event{Type: discoverypb.Event_TYPE_LOST, Reason: "why"})
	expect("shop lost b TYPE_LOST why")

	remove(t, c, shop, "a")
	put(t, c, shop, "a", "3")
	expect("shop has a 3")

	put(t, c, shop, "c", "1")
	remove(t, c, shop, "c")
	put(t, c, shop, "c", "1")
	remove(t, c, shop, "c")
	expect("shop lost c TYPE_DEREGISTERED ")

	put(t, c, cart, "a", "1")
	put(t, c, shop, "a", "3")
	if len(w.Bell()) > 0 {
		t.Error("the bell rings for another service, or for the same again")
	}
	if u := w.Next(); len(u.Changes) > 0 || u.Snapshot || u.Index != c.Stats().Index {
		t.Errorf("nothing has changed: got %+v", u)
	}
}

// TestForgotten is of who has slept while more happened than is remembered.
func TestForgotten(t *testing.T) {
	desert := func(c *catalog.Catalog, n int) {
		for i := range n {
			other := catalog.Name{Namespace: "default", Service: fmt.Sprint("passing", i)}
			put(t, c, other, "a", "1")
			remove(t, c, other, "a")
		}
	}
	pass := func(c *catalog.Catalog, n int) {
		for i := range n {
			id := fmt.Sprint("passing", i)
			put(t, c, shop, id, "1")
			remove(t, c, shop, id)
		}
	}
	leave := func(c *catalog.Catalog) { remove(t, c, shop, "a"); remove(t, c, shop, "b") }
	left := []string{"shop lost b TYPE_DEREGISTERED ", "shop lost a TYPE_DEREGISTERED "}
	for name, tt := range map[string]struct {
		happens func(*catalog.Catalog)
		open    []string // what a watch tells that was open
		resumed []string // and one that is resumed
	}{
		"as many removals as are kept": {func(c *catalog.Catalog) { leave(c); pass(c, 126) }, append(passed(126), left...), append(passed(126), left...)},
		"more removals than are kept":  {func(c *catalog.Catalog) { remove(t, c, shop, "a"); pass(c, 200) }, []string{"snapshot", "shop has b 1"}, []string{"snapshot", "shop has b 1"}},
		"a service that is deserted":   {func(c *catalog.Catalog) { leave(c); desert(c, 999) }, left, left},
		"a service that is dropped":    {func(c *catalog.Catalog) { leave(c); desert(c, 1000) }, []string{"snapshot"}, []string{"snapshot"}},
		"one that is dropped and there again": {
			func(c *catalog.Catalog) { leave(c); desert(c, 1000); put(t, c, shop, "c", "1") },
			[]string{"snapshot", "shop has c 1"}, []string{"snapshot", "shop has c 1"},
		},
		"one that is deserted and there again": {
			func(c *catalog.Catalog) { leave(c); put(t, c, shop, "c", "1"); desert(c, 1000) },
			append([]string{"shop has c 1"}, left...), append([]string{"shop has c 1"}, left...),
		},
		"others that are dropped": { // it is not known which they were
			func(c *catalog.Catalog) { desert(c, 2000); put(t, c, shop, "b", "2") },
			[]string{"shop has b 2"}, []string{"snapshot", "shop has a 1", "shop has b 2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(catalog.Options{})
			put(t, c, shop, "a", "1")
			put(t, c, shop, "b", "1")
			w := watch(t, c, shop)
			from := c.Stats().Index
			tt.happens(c)
			if diff := cmp.Diff(tt.open, told(next(w))); diff != "" {
				t.Errorf("a watch that was open (-want +got):\n%s", diff)
			}
			resumed := c.Watch(catalog.Scope{Names: []catalog.Name{shop}}, from)
			defer resumed.Close()
			if diff := cmp.Diff(tt.resumed, told(next(resumed))); diff != "" {
				t.Errorf("one that is resumed (-want +got):\n%s", diff)
			}
		})
	}
}

// passed is that so many came and went, the last first.
func passed(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("shop lost passing%d TYPE_DEREGISTERED ", n-1-i))
	}
	return all
}

// TestManyFollow has writers and followers at once, who all end up with the same.
func TestManyFollow(t *testing.T) {
	c := catalog.New(catalog.Options{})
	names := []catalog.Name{shop, cart, {Namespace: "other", Service: "shop"}}
	scopes := []catalog.Scope{{}, {Namespace: "default"}, {Names: names[:1]}, {Names: names[1:]}}
	written := make(chan struct{})
	var followers, writers sync.WaitGroup
	for at := range 50 {
		followers.Go(func() { follow(t, c, &follower{scope: scopes[at%len(scopes)], has: known{}}, at, written) })
	}
	for seed := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			for range 2000 {
				n, id := names[r.IntN(len(names))], fmt.Sprint(r.IntN(20))
				if r.IntN(3) == 0 {
					c.Remove(catalog.ID{Name: n, Instance: id}, event(discoverypb.Event_TYPE_GONE))
				} else if _, err := c.Put(n, instance(id, fmt.Sprint(r.IntN(5))), event(discoverypb.Event_TYPE_REGISTERED)); err != nil {
					t.Error(err)
				}
				c.Services("", "s", catalog.Name{}, 10)
				c.Timeline(n, id, 0, 5)
			}
		})
	}
	writers.Wait()
	close(written)
	followers.Wait()
	if got := c.Stats().Watches; got != 0 {
		t.Errorf("%d watches are left", got)
	}
}

// follow reads until all is written, opens its watch anew at times, and compares.
func follow(t *testing.T, c *catalog.Catalog, f *follower, seed int, written <-chan struct{}) {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	f.watch = c.Watch(f.scope, 0)
	defer func() { f.watch.Close() }()
	for last := false; !last; {
		select {
		case <-written:
			last = true
		case <-f.watch.Bell():
		}
		u := f.watch.Next()
		if u.Index < f.told {
			t.Errorf("index %d after %d", u.Index, f.told)
		}
		f.told = u.Index
		if u.Snapshot {
			f.has = known{}
		}
		for _, change := range u.Changes {
			n := catalog.Name{Namespace: change.GetNamespace(), Service: change.GetService()}
			for _, i := range change.GetInstances() {
				f.has[catalog.ID{Name: n, Instance: i.GetId()}] = i.GetVersion()
			}
			for _, i := range change.GetRemoved() {
				delete(f.has, catalog.ID{Name: n, Instance: i.GetId()})
			}
		}
		if r.IntN(10) == 0 {
			f.watch.Close()
			f.watch = c.Watch(f.scope, f.told)
		}
	}
	f.watch.Close()
	f.watch = c.Watch(f.scope, 0)
	want := known{}
	for _, change := range f.watch.Next().Changes {
		for _, i := range change.GetInstances() {
			want[catalog.ID{Name: catalog.Name{Namespace: change.GetNamespace(), Service: change.GetService()}, Instance: i.GetId()}] = i.GetVersion()
		}
	}
	if diff := cmp.Diff(want, f.has); diff != "" || len(want) == 0 {
		t.Errorf("who follows %v (-want +got):\n%s", f.scope, diff)
	}
}
