package below_test

import (
	"testing"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/below"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestAmended: what another node says of an instance is what its own finds, with the proof.
func TestAmended(t *testing.T) {
	c := &cut{Registry: registry.NewMemoryRegistry()}
	a, b := run(t, below.Options{Registry: c, Owner: "a", Keeps: true, Remote: true}), run(t, below.Options{Registry: c, Owner: "b", Keeps: true, Remote: true})
	was := instance("1", up)
	if !a.Put(t.Context(), one, was, "proof") {
		t.Error("not kept")
	}
	if b.Amend(t.Context(), other, was, was) {
		t.Error("an instance is amended that is not there")
	}
	eventually(t, "known to the other", func() bool { return b.Proof(one) == "proof" })
	is := instance("1", draining)
	if !b.Amend(t.Context(), one, was, is) || c.names(t) != "~shop/~one/1" {
		t.Errorf("amended: %q", c.names(t))
	}
	eventually(t, "found by its own", func() bool { i, mine := a.get(one); return mine && i.GetStatus() == draining })
	eventually(t, "found by the other", func() bool { i, _ := b.get(one); return i.GetStatus() == draining })
	if got := b.Proof(one); got != "proof" {
		t.Errorf("then the proof is %q", got)
	}

	c.off.Store(true)
	eventually(t, "away", func() bool { return a.Away() != "" && b.Away() != "" })
	if b.Amend(t.Context(), one, is, was) {
		t.Error("kept, while the registry is away")
	}
	if n := c.refused.Load(); n > 0 {
		t.Errorf("who sets a status waits for a registry that is away, %d times", n)
	}
}

// TestReleased: what stood there of an instance that is another node's now is not left
// behind, but for what that has replaced.
func TestReleased(t *testing.T) {
	for before, want := range map[discoverypb.Status]string{up: "shop/one/1", draining: ""} {
		c := &cut{Registry: registry.NewMemoryRegistry()}
		n := run(t, below.Options{Registry: c, Owner: "a", Keeps: true})
		n.Put(t.Context(), one, instance("1", before), "")
		n.Release(one, instance("1", up))
		n.Release(other, instance("1", up)) // which it never had
		if got := c.names(t); got != want {
			t.Errorf("of one that was %v %q is left, want %q", before, got, want)
		}
	}
}
