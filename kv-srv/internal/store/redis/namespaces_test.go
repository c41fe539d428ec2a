package redis_test

import (
	"fmt"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/redis"
)

func names(t *testing.T, s *redis.Store) []string {
	t.Helper()
	page, err := s.Namespaces(t.Context(), store.NamespaceQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range page.Namespaces {
		all = append(all, n.Name)
	}
	return all
}

// TestLosesNames: a Redis that has lost its index of namespaces gets it again, and what is
// no item makes no namespace.
func TestLosesNames(t *testing.T) {
	t.Parallel()
	s, c := own(t)
	mustPut(t, s, store.Write{Key: "k"})
	if _, err := s.List(t.Context(), "listed", store.Query{Limit: 1, MaxBytes: 1}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names(t, s)); got != "[ns]" {
		t.Fatalf("got %s, want ns alone", got)
	}
	if err := c.Del(t.Context(), "kv:names").Err(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s); len(got) > 0 {
		t.Fatalf("without the index: got %v", got)
	}
	await(t, "the index", func() bool { return len(names(t, s)) == 1 })
}
