package apart_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/apart"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// list lists all namespaces, page by page.
func list(t *testing.T, s *apart.Store, limit int) (all []store.Namespace, unlisted string) {
	t.Helper()
	for q := (store.NamespaceQuery{Limit: limit}); ; q.From = all[len(all)-1].Name + "\x00" {
		page, err := s.Namespaces(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Namespaces); n > limit || page.More && n == 0 {
			t.Fatalf("a page of %d, want %d at most, more: %t", n, limit, page.More)
		}
		all = append(all, page.Namespaces...)
		if !page.More {
			return all, page.Unlisted
		}
	}
}

func want(t *testing.T, s *apart.Store, want ...store.Namespace) {
	t.Helper()
	for _, limit := range []int{1, 2, 3, 1000} {
		got, unlisted := list(t, s, limit)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%d at a time (-want +got):\n%s", limit, diff)
		}
		if unlisted != "" {
			t.Errorf("%s is said not to list namespaces", unlisted)
		}
	}
}

func put(t *testing.T, s store.Store, namespaces ...string) {
	t.Helper()
	for _, namespace := range namespaces {
		if _, err := s.Put(t.Context(), namespace, store.Write{Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNamespaces: those that are named are listed in any case, each as its own store has it.
func TestNamespaces(t *testing.T) {
	rest, own := memory.Open(memory.Options{}), memory.Open(memory.Options{})
	var s apart.Store
	s.AddRest("disk", rest, "named", "zzz")
	s.Add("redis", own, "b", "empty")
	defer s.Close()
	empty := []store.Namespace{
		{Name: "b", Backend: "redis"}, {Name: "empty", Backend: "redis"}, {Name: "named", Backend: "disk"}, {Name: "zzz", Backend: "disk"},
	}
	want(t, &s, empty...)

	put(t, &s, "a", "b", "c", "named", "x")
	put(t, own, "a", "another", "x") // which no call can reach
	put(t, rest, "b", "empty")
	want(t, &s,
		store.Namespace{Name: "a", Backend: "disk", Keys: 1, Bytes: 1},
		store.Namespace{Name: "b", Backend: "redis", Keys: 1, Bytes: 1},
		store.Namespace{Name: "c", Backend: "disk", Keys: 1, Bytes: 1},
		store.Namespace{Name: "empty", Backend: "redis"},
		store.Namespace{Name: "named", Backend: "disk", Keys: 1, Bytes: 1},
		store.Namespace{Name: "x", Backend: "disk", Keys: 1, Bytes: 1},
		store.Namespace{Name: "zzz", Backend: "disk"},
	)
}

// TestNamespacesOfMany: pages are full, however many of a page belong to other stores.
func TestNamespacesOfMany(t *testing.T) {
	rest := memory.Open(memory.Options{})
	var s apart.Store
	s.AddRest("memory", rest)
	defer s.Close()
	var named []string
	for i := range 50 {
		name := fmt.Sprintf("ns%02d", i)
		put(t, rest, name)
		if i%5 != 0 {
			named = append(named, name)
		}
	}
	s.Add("disk", memory.Open(memory.Options{}), named...)
	for _, limit := range []int{1, 7, 10, 49, 50, 51} {
		got, _ := list(t, &s, limit)
		for i, n := range got {
			wantBackend, wantKeys := "disk", int64(0)
			if i%5 == 0 {
				wantBackend, wantKeys = "memory", 1
			}
			if n.Name != fmt.Sprintf("ns%02d", i) || n.Backend != wantBackend || n.Keys != wantKeys {
				t.Fatalf("%d at a time: got %+v at %d", limit, n, i)
			}
		}
		if len(got) != 50 {
			t.Errorf("%d at a time: got %d namespaces, want 50", limit, len(got))
		}
	}
}

// failing is a store that answers with an error.
type failing struct {
	store.Store
	err error
}

func (f failing) Namespaces(context.Context, store.NamespaceQuery) (store.NamespacePage, error) {
	return store.NamespacePage{}, f.err
}

// TestNamespacesUnlisted: a store that cannot list has those that are named, and says that it
// may have others if it is the one of the others.
func TestNamespacesUnlisted(t *testing.T) {
	unknown := func(name string) store.Namespace {
		return store.Namespace{Name: name, Backend: "memcached", Keys: -1, Bytes: -1}
	}
	cannot := failing{err: &store.UnsupportedError{Backend: "memcached", Op: "list namespaces", Have: []string{"memory"}}}
	for name, tt := range map[string]struct {
		add      func(*apart.Store)
		want     []store.Namespace
		unlisted string
	}{
		"the rest": {
			func(s *apart.Store) {
				s.AddRest("memcached", cannot)
				s.Add("memory", memory.Open(memory.Options{}), "own")
			},
			[]store.Namespace{{Name: "own", Backend: "memory"}}, "memcached",
		},
		"the rest, of which some are named": {
			func(s *apart.Store) { s.AddRest("memcached", cannot, "a", "b") },
			[]store.Namespace{unknown("a"), unknown("b")}, "memcached",
		},
		"another": {
			func(s *apart.Store) {
				s.AddRest("memory", memory.Open(memory.Options{}))
				s.Add("memcached", cannot, "a")
			},
			[]store.Namespace{unknown("a")}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s apart.Store
			tt.add(&s)
			got, unlisted := list(t, &s, 10)
			if diff := cmp.Diff(tt.want, got); diff != "" || unlisted != tt.unlisted {
				t.Errorf("unlisted %q, want %q; (-want +got):\n%s", unlisted, tt.unlisted, diff)
			}
		})
	}

	var s apart.Store
	s.AddRest("memcached", cannot)
	if _, err := s.Namespaces(t.Context(), store.NamespaceQuery{Limit: 1}); !errors.Is(err, cannot.err) {
		t.Errorf("where none is named: got %v, want %v", err, cannot.err)
	}
}

// TestNamespacesAway: a store that is away is no empty one.
func TestNamespacesAway(t *testing.T) {
	for name, add := range map[string]func(*apart.Store){
		"the rest": func(s *apart.Store) { s.AddRest("redis", failing{err: errAway}, "named") },
		"another": func(s *apart.Store) {
			s.AddRest("memory", memory.Open(memory.Options{}))
			s.Add("redis", failing{err: errAway}, "own")
		},
	} {
		var s apart.Store
		add(&s)
		if page, err := s.Namespaces(t.Context(), store.NamespaceQuery{Limit: 10}); !errors.Is(err, errAway) {
			t.Errorf("%s: got %+v, %v, want %v", name, page, err, errAway)
		}
	}
}
