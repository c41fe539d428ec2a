package etcd_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/killtest"
	"github.com/micro/platform/tests/backends"
)

func TestKilled(t *testing.T) {
	u := backends.URL(t, "etcd")
	killtest.Run(t, killtest.Backend{Name: "etcd", Store: u.String() + "/killed", Named: "etcd at http://" + u.Host})
}
