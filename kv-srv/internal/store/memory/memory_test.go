package memory_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.Open(memory.Options{}) })
}

func TestQuota(t *testing.T) {
	storetest.RunQuota(t, func(_ *testing.T, quotas store.Quotas) store.Store {
		return memory.Open(memory.Options{Quotas: quotas})
	})
}
