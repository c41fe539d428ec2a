package etcd_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/etcd"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

func TestStore(t *testing.T) {
	u := backends.URL(t, "etcd")
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := etcd.Open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
