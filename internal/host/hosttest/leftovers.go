package hosttest

import "go.uber.org/goleak"

// Leftovers are for goleak: what go-micro begins for a registry or a client and does not
// end, or not before that is collected. Those of earlier tests come and go at any time.
func Leftovers(before ...goleak.Option) []goleak.Option {
	for _, f := range []string{
		"go-micro.dev/v5/registry.(*memRegistry).ttlPrune",
		"go-micro.dev/v5/registry/cache.(*cache).watch.func1",
		"go-micro.dev/v5/registry/cache.(*cache).run",
		"github.com/patrickmn/go-cache.(*janitor).Run",
	} {
		before = append(before, goleak.IgnoreAnyFunction(f))
	}
	return before
}
