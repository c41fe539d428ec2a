package disk_test

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), disk.Options{}) })
}

func TestQuota(t *testing.T) {
	storetest.RunQuota(t, func(t *testing.T, quotas store.Quotas) store.Store {
		return open(t, t.TempDir(), disk.Options{Quotas: quotas})
	})
}

// open opens a store, which is the caller's to close.
func open(t testing.TB, path string, opts disk.Options) *disk.Store {
	t.Helper()
	s, err := disk.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
