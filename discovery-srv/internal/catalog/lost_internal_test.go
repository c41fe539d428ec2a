package catalog

import (
	"fmt"
	"testing"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestTooManyChanges looks into the package to count what a watch keeps: of whoever does not
// read no more than so many services, and then all are told.
func TestTooManyChanges(t *testing.T) {
	c := New(Options{})
	w := c.Watch(Scope{}, 0)
	defer w.Close()
	w.Next()
	const n = maxDirty + 100
	for i := range n {
		name := Name{"default", fmt.Sprint("service-", i)}
		if _, err := c.Put(name, &discoverypb.Instance{Id: "a"}, &discoverypb.Event{}); err != nil {
			t.Fatal(err)
		}
		if len(w.dirty) > maxDirty {
			t.Fatalf("%d services are kept", len(w.dirty))
		}
	}
	if u := w.Next(); !u.Snapshot || len(u.Changes) != n {
		t.Errorf("got %d services, a snapshot: %v", len(u.Changes), u.Snapshot)
	}
	if u := w.Next(); u.Snapshot || len(u.Changes) != 0 {
		t.Errorf("and again %d services", len(u.Changes))
	}
}
