package memcached_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/killtest"
	"github.com/micro/platform/tests/backends"
)

func TestKilled(t *testing.T) {
	u := backends.URL(t, "memcached")
	killtest.Run(t, killtest.Backend{Name: "memcached", Store: u.String(), Named: "memcached at " + u.Host, Forgets: true})
}
