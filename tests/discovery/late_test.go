package discovery_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// long skips what takes longer than a look, unless INTEROP=1.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") != "1" {
		t.Skip("INTEROP=1 runs it")
	}
}

// TestManyStop: of a thousand instances in ten processes a fifth stops renewing at once. No
// instance is lost, the node says why, and that ends when they renew again. Those of a single
// process that is killed then are lost, and no others.
func TestManyStop(t *testing.T) {
	long(t)
	t.Parallel()
	const (
		ttl  = 6 * time.Second
		part = 100
		all  = 10 * part
	)
	n := open(t)
	var processes []*process
	for i := range 10 {
		processes = append(processes, n.crowd(fmt.Sprint(i, "-"), part, ttl))
	}
	whole := func() bool { return n.count("crowd") == all }
	eventually(t, "crowd", whole)

	for _, p := range processes[:2] {
		p.stop()
	}
	eventually(t, "preserving", func() bool { return !n.state().Preserving.IsZero() })
	if got := n.read("/readyz"); !strings.Contains(got, "are late: none ends since") {
		t.Errorf("/readyz: got %s", got)
	}
	always(t, "crowd while a fifth is away", 2*ttl, whole)
	if late, since := n.state().Late, n.state().Preserving; late != 2*part || since.IsZero() {
		t.Errorf("late: %d since %v, want the %d that were stopped", late, since, 2*part)
	}
	n.want("discovery_preserving", 1)
	n.want("discovery_leases_late", 2*part)
	n.want("discovery_lost_total", 0)

	for _, p := range processes[:2] {
		p.resume()
	}
	eventually(t, "end of preserving", func() bool { return n.state().Preserving.IsZero() })
	always(t, "crowd when all are back", 2*ttl, whole)
	if got := n.read("/readyz"); strings.Contains(got, "late") {
		t.Errorf("/readyz: got %s", got)
	}
	n.want("discovery_preserving", 0)
	n.want("discovery_leases_late", 0)
	n.want("discovery_lost_total", 0)
	n.want("discovery_renewals_unknown_total", 0)

	processes[9].kill()
	eventually(t, "loss of those that were killed", func() bool { return n.count("crowd") == all-part })
	always(t, "crowd without them", ttl, func() bool { return n.count("crowd") == all-part })
	n.want("discovery_lost_total", part)
}

// TestSuspended: nobody is lost since the node was stopped for longer than leases last. It
// goes by that alone: nothing is preserved.
func TestSuspended(t *testing.T) {
	long(t)
	t.Parallel()
	const (
		ttl = 3 * time.Second
		all = 100
	)
	n := open(t, "DISCOVERY_PRESERVE=0%")
	n.crowd("", all, ttl)
	whole := func() bool { return n.count("crowd") == all }
	eventually(t, "crowd", whole)
	for range 3 {
		n.stop()
		pass(t, 3*ttl)
		n.resume()
		always(t, "crowd after the node was stopped", 2*ttl, whole)
	}
	n.want("discovery_lost_total", 0)
	n.want("discovery_renewals_unknown_total", 0)
}

// want complains unless a metric has a value.
func (n *node) want(name string, want float64) {
	n.t.Helper()
	if got := n.metric(name); got != want {
		n.t.Errorf("%s: got %v, want %v", name, got, want)
	}
}
