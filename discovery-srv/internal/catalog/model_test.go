package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// world is a catalog, what it must have, and those who follow it.
type world struct {
	catalog   *catalog.Catalog
	has       known
	first     uint64 // index
	index     uint64
	followers []*follower
}

// known is what there is, as "version index".
type known map[catalog.ID]string

// follower is a watch whose updates are applied.
type follower struct {
	watch *catalog.Watch
	scope catalog.Scope
	told  uint64
	has   known
	rung  bool // the bell is to have rung
	whole bool // a snapshot is to come
}

func (f *follower) about(n catalog.Name) bool {
	if len(f.scope.Names) > 0 {
		return slices.Contains(f.scope.Names, n)
	}
	return f.scope.Namespace == "" || f.scope.Namespace == n.Namespace
}

func aName(t *rapid.T) catalog.Name {
	return catalog.Name{
		Namespace: rapid.SampledFrom([]string{"default", "other"}).Draw(t, "namespace"),
		Service:   rapid.SampledFrom([]string{"cart", "shop", "shop/admin"}).Draw(t, "service"),
	}
}

func aScope(t *rapid.T) catalog.Scope {
	switch rapid.IntRange(0, 3).Draw(t, "scope") {
	case 0:
		return catalog.Scope{}
	case 1:
		return catalog.Scope{Namespace: "default"}
	}
	return catalog.Scope{Names: rapid.SliceOfNDistinct(rapid.Custom(aName), 1, 4, rapid.ID).Draw(t, "names")}
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"put": func(t *rapid.T) {
			w.put(t, catalog.ID{Name: aName(t), Instance: fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "id"))}, fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "version")))
		},
		"remove": func(t *rapid.T) {
			w.remove(t, catalog.ID{Name: aName(t), Instance: fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "id"))})
		},
		"come and go": func(t *rapid.T) { // more than a service remembers
			n := aName(t)
			for i := range rapid.SampledFrom([]int{10, 200}).Draw(t, "times") {
				id := catalog.ID{Name: n, Instance: fmt.Sprint("passing ", i)}
				w.put(t, id, "0")
				w.remove(t, id)
			}
		},
		"desert": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "seldom") > 0 {
				return
			}
			for i := range 1001 { // more than the catalog remembers
				id := catalog.ID{Name: catalog.Name{Namespace: "default", Service: fmt.Sprint("passing ", i)}, Instance: "0"}
				w.put(t, id, "0")
				w.remove(t, id)
			}
		},
		"clear": func(t *rapid.T) {
			n := aName(t)
			for id := range maps.Clone(w.has) {
				if id.Name == n {
					w.remove(t, id)
				}
			}
		},
		"open": func(t *rapid.T) {
			from := rapid.SampledFrom([]uint64{0, w.first - 1, w.index + 1}).Draw(t, "unknown index")
			w.open(&follower{scope: aScope(t), told: from, has: known{{Instance: "of before"}: ""}, whole: true})
		},
		"resume": func(t *rapid.T) {
			if f := w.one(t); f.told > 0 && !f.whole {
				w.open(&follower{scope: f.scope, told: f.told, has: maps.Clone(f.has)})
			}
		},
		"close": func(t *rapid.T) {
			f := w.one(t)
			f.watch.Close()
			w.followers = slices.DeleteFunc(w.followers, func(o *follower) bool { return o == f })
		},
		"read": func(t *rapid.T) { w.read(t, w.one(t)) },
		"heed": func(t *rapid.T) { // who waits for the bell
			f := w.one(t)
			if f.rung {
				<-f.watch.Bell()
				f.rung = false
				w.read(t, f)
			}
		},
	}
}

func (w *world) one(t *rapid.T) *follower {
	if len(w.followers) == 0 {
		t.Skip("nobody follows")
	}
	return rapid.SampledFrom(w.followers).Draw(t, "follower")
}

func (w *world) put(t *rapid.T, id catalog.ID, version string) {
	before, there := w.has[id]
	change := !there || version != before[:1]
	changed, err := w.catalog.Put(id.Name, instance(id.Instance, version), event(discoverypb.Event_TYPE_REGISTERED))
	if changed != change || err != nil {
		t.Fatalf("put %v %s: changed %v, error %v, want %v", id, version, changed, err, change)
	}
	if change {
		w.changed(id)
		w.has[id] = fmt.Sprint(version, " ", w.index)
	}
}

func (w *world) remove(t *rapid.T, id catalog.ID) {
	_, there := w.has[id]
	if got := w.catalog.Remove(id, event(discoverypb.Event_TYPE_GONE)); (got != nil) != there {
		t.Fatalf("remove %v: got %v, want one %v", id, got, there)
	}
	if there {
		w.changed(id)
		delete(w.has, id)
	}
}

func (w *world) changed(id catalog.ID) {
	w.index++
	for _, f := range w.followers {
		f.rung = f.rung || f.about(id.Name)
	}
}

func (w *world) open(f *follower) {
	f.watch, f.rung = w.catalog.Watch(f.scope, f.told), true
	w.followers = append(w.followers, f)
}

// read has a follower hear of what has changed, and then it has what there is.
func (w *world) read(t *rapid.T, f *follower) {
	u := f.watch.Next()
	if f.whole && !u.Snapshot {
		t.Fatalf("from index %d, which is unknown: no snapshot", f.told)
	}
	if u.Index != w.index {
		t.Fatalf("index: got %d, want %d", u.Index, w.index)
	}
	if u.Snapshot {
		f.has = known{}
	}
	before := catalog.Name{}
	for _, c := range u.Changes {
		n := catalog.Name{Namespace: c.GetNamespace(), Service: c.GetService()}
		if !before.Before(n) || !f.about(n) {
			t.Fatalf("%v is told after %v to who follows %v", n, before, f.scope)
		}
		before = n
		for _, i := range c.GetInstances() {
			if !u.Snapshot && i.GetIndex() <= f.told {
				t.Fatalf("%v of index %d is told again after %d", i.GetId(), i.GetIndex(), f.told)
			}
			f.has[catalog.ID{Name: n, Instance: i.GetId()}] = fmt.Sprint(i.GetVersion(), " ", i.GetIndex())
		}
		for _, r := range c.GetRemoved() {
			id := catalog.ID{Name: n, Instance: r.GetId()}
			if _, there := w.has[id]; there || u.Snapshot {
				t.Fatalf("%v is told as removed, there %v, snapshot %v", id, there, u.Snapshot)
			}
			delete(f.has, id)
		}
	}
	f.told, f.whole = u.Index, false
	want := maps.Clone(w.has)
	maps.DeleteFunc(want, func(id catalog.ID, _ string) bool { return !f.about(id.Name) })
	if !maps.Equal(f.has, want) {
		t.Fatalf("who follows %v has %v, want %v", f.scope, f.has, want)
	}
}

func (w *world) check(t *rapid.T) {
	services := map[catalog.Name]bool{}
	for id, want := range w.has {
		services[id.Name] = true
		i := w.catalog.Get(id)
		if got := fmt.Sprint(i.GetVersion(), " ", i.GetIndex()); got != want {
			t.Fatalf("get %v: %q, want %q", id, got, want)
		}
	}
	got := w.catalog.Stats()
	want := catalog.Stats{Services: len(services), Instances: len(w.has), Watches: len(w.followers), Bytes: got.Bytes, Index: w.index}
	if got != want || (got.Bytes > 0) != (len(w.has) > 0) || got.Bytes < int64(len(w.has))<<10 {
		t.Fatalf("stats: got %+v, want %+v", got, want)
	}
	for _, f := range w.followers {
		if rung := len(f.watch.Bell()) > 0; rung != f.rung {
			t.Fatalf("who follows %v: its bell has rung %v, want %v", f.scope, rung, f.rung)
		}
	}
}

// TestModel holds a catalog and its watches against what they must have.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := open(catalog.Options{})
		w := &world{catalog: c, has: known{}, first: c.Stats().Index, index: c.Stats().Index}
		t.Repeat(w.actions())
		for _, f := range w.followers {
			w.read(t, f)
		}
	})
}
