package redis_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/redis"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

func TestStore(t *testing.T) {
	for _, name := range []string{"redis", "rediscluster", "redissentinel"} {
		t.Run(name, func(t *testing.T) {
			u := backends.URL(t, name)
			storetest.Run(t, func(t *testing.T) store.Store {
				s, err := redis.Open(t.Context(), u)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
