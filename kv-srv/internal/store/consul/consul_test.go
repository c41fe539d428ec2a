package consul_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/consul"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

func TestStore(t *testing.T) {
	u := backends.URL(t, "consul")
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := consul.Open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, storetest.OptOut{Test: "Put/LargestValue", Why: "Consul takes 512 KiB in one request"})
}
