package lease_test

import (
	"strings"
	"testing"

	"github.com/micro/platform/discovery-srv/internal/lease"
)

// TestProof recognizes a lease by its proof, and nothing else.
func TestProof(t *testing.T) {
	w := lease.New(usual())
	if got := w.Proof(name(1)); got != "" {
		t.Errorf("of who has none: %q", got)
	}
	id, other := w.Grant(name(1), ttl), w.Grant(name(2), ttl)
	proof := w.Proof(name(1))
	if !lease.Proves(proof, id) || proof != lease.Proof(id) {
		t.Errorf("the proof %q does not prove its lease", proof)
	}
	if strings.Contains(proof, id) || len(proof) < 20 {
		t.Errorf("the proof is %q of %q", proof, id)
	}
	for _, wrong := range []string{"", other, proof, id[1:], id + "A", strings.ToLower(id)} {
		if lease.Proves(proof, wrong) {
			t.Errorf("%q is proven, want %q alone", wrong, id)
		}
		if held, this := w.Holds(name(1), wrong); !held || this {
			t.Errorf("%q is held", wrong)
		}
	}
	if lease.Proves("", "") || lease.Proves("", id) {
		t.Error("nothing proves a lease")
	}
	again := w.Grant(name(1), ttl)
	if proof := w.Proof(name(1)); lease.Proves(proof, id) || !lease.Proves(proof, again) {
		t.Error("the proof is that of an earlier lease")
	}
}
