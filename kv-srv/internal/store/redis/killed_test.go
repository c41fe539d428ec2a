package redis_test

import (
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/killtest"
	"github.com/micro/platform/tests/backends"
)

func TestKilled(t *testing.T) {
	for _, name := range []string{"redis", "rediscluster"} {
		t.Run(name, func(t *testing.T) {
			u := backends.URL(t, name)
			killtest.Run(t, killtest.Backend{
				Name: name, Store: u.String(), Named: "redis at " + strings.ReplaceAll(u.Host, ",", ", "),
			})
		})
	}
}
