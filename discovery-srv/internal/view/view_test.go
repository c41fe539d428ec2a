package view_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/view"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// known is the versions of instances.
type known map[catalog.ID]string

// node is one that is followed.
type node struct {
	catalog *catalog.Catalog
	has     known
	warming bool
	lives   map[catalog.ID]bool // while it warms: what has registered, or was known to it, since
}

func newNode() *node {
	return &node{catalog: catalog.New(catalog.Options{}), has: known{}, lives: map[catalog.ID]bool{}}
}

// follower is a View, what it has told, and the watch that it is fed by.
type follower struct {
	view.View

	has   known
	watch *catalog.Watch // nil: it is cut off
	of    *node
	index uint64
	first bool
	late  []*discoverypb.WatchResponse // on their way
}

func newFollower(t *rapid.T) *follower {
	f := &follower{has: known{}}
	f.Put = func(n catalog.Name, i *discoverypb.Instance) {
		f.has[catalog.ID{Name: n, Instance: i.GetId()}] = i.GetVersion()
	}
	f.Remove = func(id catalog.ID, r *discoverypb.Removed) {
		if _, ok := f.has[id]; !ok || r.GetId() != id.Instance || r.GetType() == discoverypb.Event_TYPE_UNSPECIFIED {
			t.Fatalf("%v is removed, known %v: %v", id, ok, r)
		}
		delete(f.has, id)
	}
	return f
}

// world is a follower, and nodes one after the other.
type world struct {
	node *node
	*follower
}

func anID(t *rapid.T) catalog.ID {
	return catalog.ID{
		Name:     catalog.Name{Namespace: "default", Service: rapid.SampledFrom([]string{"cart", "shop"}).Draw(t, "service")},
		Instance: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "id")),
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"put": func(t *rapid.T) {
			id, version := anID(t), fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "version"))
			i := &discoverypb.Instance{Id: id.Instance, Version: version}
			if _, err := w.node.catalog.Put(id.Name, i, &discoverypb.Event{Type: discoverypb.Event_TYPE_REGISTERED}); err != nil {
				t.Fatal(err)
			}
			w.node.has[id] = version
		},
		"remove": func(t *rapid.T) {
			id := anID(t)
			if w.node.catalog.Remove(id, &discoverypb.Event{Type: discoverypb.Event_TYPE_LOST}) != nil {
				delete(w.node.has, id)
				w.node.lives[id] = true // it has been there, so its end is told
			}
		},
		"start again, empty": func(*rapid.T) {
			if len(w.has) > 0 {
				w.node = newNode()
				w.node.warming = true
				w.cut()
			}
		},
		"warm":    func(*rapid.T) { w.node.warming = false },
		"cut off": func(*rapid.T) { w.cut() },
		"follow":  func(*rapid.T) { w.follow() },
		"send": func(*rapid.T) {
			if w.watch != nil {
				w.send()
			}
		},
		"hear": func(*rapid.T) { // of all there is
			if w.watch == nil {
				w.follow()
			}
			w.send()
			w.receive(1000)
		},
		"receive": func(t *rapid.T) { w.receive(rapid.IntRange(1, 3).Draw(t, "messages")) },
	}
}

func (w *world) cut() {
	if w.watch != nil {
		w.watch.Close()
		w.watch, w.late = nil, nil
	}
}

func (w *world) follow() {
	w.cut()
	from := w.index
	if w.of != w.node { // to another node the index means nothing
		from = 0
	}
	w.of, w.first = w.node, true
	w.watch = w.node.catalog.Watch(catalog.Scope{}, from)
	w.Begin()
}

// send puts on its way what the handler would: a message for each service.
func (w *world) send() {
	state := &discoverypb.NodeState{Warming: w.node.warming}
	u := w.watch.Next()
	kind := discoverypb.WatchResponse_TYPE_CHANGES
	var all []*discoverypb.WatchResponse
	if u.Snapshot {
		kind = discoverypb.WatchResponse_TYPE_SNAPSHOT
		all = append(all, &discoverypb.WatchResponse{Type: kind})
	}
	for _, c := range u.Changes {
		all = append(all, &discoverypb.WatchResponse{Type: kind, Changes: []*discoverypb.ServiceChange{c}})
	}
	switch {
	case u.Snapshot || w.first:
		all = append(all, &discoverypb.WatchResponse{Type: discoverypb.WatchResponse_TYPE_SYNCED})
	case len(all) == 0:
		all = append(all, &discoverypb.WatchResponse{Type: discoverypb.WatchResponse_TYPE_PROGRESS})
	}
	all[len(all)-1].Index = u.Index
	for _, m := range all {
		m.State = state
	}
	w.first = false
	w.late = append(w.late, all...)
}

// receive applies messages, and complains if one has the follower forget what it should not.
func (w *world) receive(most int) {
	for ; most > 0 && len(w.late) > 0; most-- {
		m := w.late[0]
		w.late = w.late[1:]
		w.Apply(m)
		if m.GetIndex() > 0 {
			w.index = m.GetIndex()
		}
	}
}

// check looks at whether something was lost that lives: what a warming node has not told of.
func (w *world) check(t *rapid.T) {
	if w.watch == nil || w.first || len(w.late) > 0 {
		return
	}
	if w.index != w.node.catalog.Stats().Index {
		return // it is to hear of more
	}
	for id, version := range w.node.has {
		if w.has[id] != version {
			t.Fatalf("%v: the follower has %q, the node %q", id, w.has[id], version)
		}
	}
}

// TestModel follows nodes that are started again empty, over watches that are cut off.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{node: newNode(), follower: newFollower(t)}
		actions := w.actions()
		for name, act := range actions { // each under the watch of what it may not forget
			actions[name] = func(t *rapid.T) {
				before := maps.Clone(w.has)
				act(t)
				for id := range before {
					_, still := w.has[id]
					if still || !w.node.warming || w.node.lives[id] || w.of != w.node {
						continue
					}
					t.Fatalf("%s: %v is forgotten while the node is warming", name, id)
				}
			}
		}
		t.Repeat(actions)

		w.node.warming = false
		w.follow()
		w.send()
		w.send() // nothing has changed: it is the message that comes every 15 seconds
		w.receive(1000)
		if diff := cmp.Diff(w.node.has, w.has); diff != "" {
			t.Fatalf("in the end (-node +follower):\n%s", diff)
		}
	})
}

// script is messages in words.
func script(warming bool, kind discoverypb.WatchResponse_Type, words ...string) *discoverypb.WatchResponse {
	m := &discoverypb.WatchResponse{Type: kind, State: &discoverypb.NodeState{Warming: warming}}
	c := &discoverypb.ServiceChange{Namespace: "default", Service: "shop"}
	for _, word := range words {
		if word[0] == '-' {
			c.Removed = append(c.Removed, &discoverypb.Removed{Id: word[1:], Type: discoverypb.Event_TYPE_LOST})
		} else {
			c.Instances = append(c.Instances, &discoverypb.Instance{Id: word})
		}
	}
	m.Changes = append(m.Changes, c)
	return m
}

func TestView(t *testing.T) {
	const (
		snapshot = discoverypb.WatchResponse_TYPE_SNAPSHOT
		synced   = discoverypb.WatchResponse_TYPE_SYNCED
		changes  = discoverypb.WatchResponse_TYPE_CHANGES
		progress = discoverypb.WatchResponse_TYPE_PROGRESS
	)
	type m = []*discoverypb.WatchResponse
	for name, tt := range map[string]struct {
		messages m // nil: a watch begins
		want     []string
	}{
		"a snapshot that is not whole": {m{script(false, snapshot), script(false, snapshot, "c")}, []string{"a", "b"}},
		"a snapshot that is whole":     {m{script(false, snapshot), script(false, snapshot, "b", "c"), script(false, synced)}, []string{"b", "c"}},
		"a snapshot of nothing":        {m{script(false, snapshot), script(false, synced)}, nil},
		"a snapshot that was cut off": {
			m{script(false, snapshot), script(false, snapshot, "c"), nil, script(false, synced)}, []string{"a", "b"},
		},
		"changes":                  {m{script(false, changes, "-a", "c")}, []string{"b", "c"}},
		"what it does not know":    {m{script(false, changes, "-c")}, []string{"a", "b"}},
		"an empty node that warms": {m{script(true, snapshot), script(true, synced), script(true, progress)}, []string{"a", "b"}},
		"that is warm": {
			m{script(true, snapshot), script(true, synced), script(true, changes, "b"), script(false, progress)}, []string{"b"},
		},
		"that is warm after the watch was cut off": {
			m{script(true, snapshot), script(true, synced), script(true, changes, "b"), nil, script(false, synced)}, []string{"b"},
		},
		"that is warm while a snapshot comes": {
			m{script(true, snapshot), script(true, synced), script(true, snapshot), script(false, snapshot, "a"), script(false, synced)}, []string{"a"},
		},
		"that says of one that it is gone": {m{script(true, snapshot), script(true, synced), script(true, changes, "-a")}, []string{"b"}},
		"another empty node that warms": {
			m{script(true, snapshot), script(true, synced), script(true, changes, "c"), nil, script(true, snapshot), script(true, synced)}, []string{"a", "b", "c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			has, gone := map[string]bool{}, []string{}
			v := view.View{
				Put: func(_ catalog.Name, i *discoverypb.Instance) { has[i.GetId()] = true },
				Remove: func(id catalog.ID, _ *discoverypb.Removed) {
					delete(has, id.Instance)
					gone = append(gone, id.Instance)
				},
			}
			v.Begin()
			for _, m := range append(m{script(false, snapshot), script(false, snapshot, "a", "b"), script(false, synced), nil}, tt.messages...) {
				if m == nil {
					v.Begin()
				} else {
					v.Apply(m)
				}
			}
			if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(has))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, id := range gone {
				if has[id] {
					t.Errorf("%s was gone for a while", id)
				}
			}
		})
	}
}
