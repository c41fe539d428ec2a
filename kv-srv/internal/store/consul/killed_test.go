package consul_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/killtest"
	"github.com/micro/platform/tests/backends"
)

func TestKilled(t *testing.T) {
	u := backends.URL(t, "consul")
	killtest.Run(t, killtest.Backend{Name: "consul", Store: u.String() + "/killed", Named: "consul at " + u.Host})
}
