package memcached_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memcached"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

func TestStore(t *testing.T) {
	u := backends.URL(t, "memcached")
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := memcached.Open(u)
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
		storetest.OptOut{Test: "List", Why: "memcached cannot tell which keys it has"},
		storetest.OptOut{Test: "DeletePrefix", Why: "memcached cannot tell which keys it has"},
		storetest.OptOut{Test: "Namespaces", Why: "memcached cannot tell which keys it has"},
		storetest.OptOut{Test: "Watch", Why: "memcached tells nobody what changes"},
		storetest.OptOut{Test: "Life/CloseEndsWatches", Why: "memcached tells nobody what changes"},
		storetest.OptOut{Test: "Put/LargestValue", Why: "memcached takes 1 MiB for the value, its key and its metadata"},
	)
}
