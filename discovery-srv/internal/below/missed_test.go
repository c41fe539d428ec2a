package below_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/below"
	"github.com/micro/platform/internal/registries/record"
)

// forgetful is a registry whose lists may be without anything.
type forgetful struct {
	*cut

	lists, empty atomic.Int64
}

func (f *forgetful) ListServices(o ...registry.ListOption) ([]*registry.Service, error) {
	f.lists.Add(1)
	if f.empty.Add(-1) >= 0 {
		return nil, nil
	}
	return f.cut.ListServices(o...)
}

// pass waits until so many more lists were asked for.
func (f *forgetful) pass(t *testing.T, n int64) {
	t.Helper()
	before := f.lists.Load()
	eventually(t, "looked", func() bool { return f.lists.Load() > before+n })
}

// TestMissedOnce: where each answers for itself, one list without an instance is an answer
// that came too late; several are not.
func TestMissedOnce(t *testing.T) {
	f := &forgetful{cut: &cut{Registry: registry.NewMemoryRegistry()}}
	n := run(t, below.Options{Registry: f, Owner: "a", Look: 50 * time.Millisecond})
	s := plain(t, f, "shop", "one", nil)
	eventually(t, "seen", func() bool { return len(n.ids()) == 1 })
	f.empty.Store(1)
	f.pass(t, 4)
	if n.unseen.Load() > 0 {
		t.Fatal("it is gone with one list that is without it")
	}
	if err := f.Deregister(s); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { return len(n.ids()) == 0 })
}

// TestMissedAfterOutage: what is missing once a registry is back may be put there again.
func TestMissedAfterOutage(t *testing.T) {
	f := &forgetful{cut: &cut{Registry: registry.NewMemoryRegistry()}}
	n := run(t, below.Options{Registry: f, Owner: "a", Keeps: true, Remote: true})
	if n.Looked() {
		t.Error("it has looked before it did")
	}
	s, quick := plain(t, f, "shop", "one", nil), plain(t, f, "shop", "two", nil)
	eventually(t, "seen", func() bool { return len(n.ids()) == 2 && n.Looked() })
	if err := f.Deregister(quick); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { return len(n.ids()) == 1 })

	f.off.Store(true)
	eventually(t, "away", func() bool { return n.Away() != "" })
	if err := f.Registry.Deregister(s); err != nil {
		t.Fatal(err)
	}
	f.off.Store(false)
	eventually(t, "back", func() bool { return n.Away() == "" })
	f.pass(t, 10)
	if got := len(n.ids()); got != 1 {
		t.Errorf("%d instances are known, want the one that was there before", got)
	}
}

// choosy is a registry that does not take everything.
type choosy struct{ *cut }

func (c choosy) Register(s *registry.Service, o ...registry.RegisterOption) error {
	if err := record.Check(s); err != nil {
		return err
	}
	return c.cut.Register(s, o...)
}

// TestRefusedRecord: what a registry never takes does not make it one that is away.
func TestRefusedRecord(t *testing.T) {
	c := choosy{&cut{Registry: registry.NewMemoryRegistry()}}
	n := run(t, below.Options{Registry: c, Owner: "a", Keeps: true, Remote: true})
	large := instance("1", up)
	large.Metadata = map[string]string{"k": strings.Repeat("<", 100<<10)} // six bytes each there
	if n.Put(t.Context(), other, large, "") {
		t.Error("what is too large there is kept")
	}
	if got := n.Away(); got != "" {
		t.Errorf("away: %s", got)
	}
	if !n.Put(t.Context(), one, instance("1", up), "") {
		t.Error("another one is not kept")
	}
}
