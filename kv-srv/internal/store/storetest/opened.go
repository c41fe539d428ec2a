package storetest

import (
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Opened takes what the Open of a driver has returned. It closes the store when the test
// ends.
func Opened[S store.Store](t *testing.T, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
