package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/micro/platform/discovery-srv/internal/catalog"
)

// names are all services, page by page.
func names(t *rapid.T, c *catalog.Catalog, namespace, prefix string) (all []catalog.Name) {
	var after catalog.Name
	for {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		some, more := c.Services(namespace, prefix, after, limit)
		if len(some) > limit || more && len(some) < limit {
			t.Fatalf("a page has %d, more %v, want %d", len(some), more, limit)
		}
		for _, s := range some {
			after = catalog.Name{Namespace: s.GetNamespace(), Service: s.GetService()}
			all = append(all, after)
		}
		if !more {
			return all
		}
	}
}

// TestServices holds pages against a model.
func TestServices(t *testing.T) {
	namespace := rapid.SampledFrom([]string{"a", "a-b", "b", "c"})
	service := rapid.SampledFrom([]string{"a", "a-b", "aa", "ab", "b", "ba", "bb", "b/c", "z", "\u00e4"})
	rapid.Check(t, func(t *rapid.T) {
		c := open(catalog.Options{})
		has := map[catalog.Name]bool{}
		for range rapid.IntRange(0, 40).Draw(t, "puts") {
			n := catalog.Name{Namespace: namespace.Draw(t, "namespace"), Service: service.Draw(t, "service")}
			put(t, c, n, "0", "1")
			has[n] = true
			if rapid.IntRange(0, 3).Draw(t, "goes") == 0 {
				remove(t, c, n, "0")
				delete(has, n)
			}
		}
		in := rapid.OneOf(namespace, rapid.Just("")).Draw(t, "in")
		prefix := rapid.SampledFrom([]string{"", "a", "b", "b/", "c", "zz"}).Draw(t, "prefix")
		var want []catalog.Name
		for n := range has {
			if (in == "" || n.Namespace == in) && strings.HasPrefix(n.Service, prefix) {
				want = append(want, n)
			}
		}
		slices.SortFunc(want, func(a, b catalog.Name) int {
			if a.Before(b) {
				return -1
			}
			return 1
		})
		if diff := cmp.Diff(want, names(t, c, in, prefix)); diff != "" {
			t.Fatalf("in %q, beginning with %q (-want +got):\n%s", in, prefix, diff)
		}
		// After what is not in the namespace: who makes up a token gets no more than there is.
		other := catalog.Name{Namespace: namespace.Draw(t, "after namespace"), Service: service.Draw(t, "after service")}
		some, _ := c.Services(in, prefix, other, 1000)
		var got []catalog.Name
		for _, s := range some {
			got = append(got, catalog.Name{Namespace: s.GetNamespace(), Service: s.GetService()})
		}
		want = slices.DeleteFunc(want, func(n catalog.Name) bool { return !other.Before(n) })
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("in %q, beginning with %q, after %v (-want +got):\n%s", in, prefix, other, diff)
		}
	})
}
