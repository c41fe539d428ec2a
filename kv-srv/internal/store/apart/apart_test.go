package apart_test

import (
	"context"
	"errors"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/apart"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		var s apart.Store
		s.AddRest("memory", memory.Open(memory.Options{}))
		s.Add("memory", memory.Open(memory.Options{}), "own")
		return &s
	})
}

func TestEachHasItsOwn(t *testing.T) {
	rest, own := memory.Open(memory.Options{}), memory.Open(memory.Options{})
	var s apart.Store
	s.AddRest("memory", rest)
	s.Add("memory", own, "a", "b")
	for _, namespace := range []string{"a", "b", "c"} {
		if _, err := s.Put(t.Context(), namespace, store.Write{Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := [2]int{own.Stats().Items, rest.Stats().Items}; got != [2]int{2, 1} {
		t.Errorf("the own store has %d items, the rest %d, want 2 and 1", got[0], got[1])
	}
	if err := s.Close(); err != nil { // would panic if a store were closed twice
		t.Error(err)
	}
}

type away struct{ store.Store }

var errAway = errors.New("away")

func (away) Ready(context.Context) error { return errAway }

func TestReady(t *testing.T) {
	rest := memory.Open(memory.Options{})
	var s apart.Store
	s.AddRest("memory", rest)
	s.Add("memory", away{}, "a")
	if err := s.Ready(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
	if err := rest.Close(); err != nil {
		t.Error(err)
	}
}
