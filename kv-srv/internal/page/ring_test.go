package page_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/kvserver/ringtest"
)

// TestRing: each node's pages lead to the ring and show the same, and who has answered.
func TestRing(t *testing.T) {
	ring := ringtest.Run(t, 2)
	const items = 60
	first := pages(t, ring.Nodes[0])
	for i := range items {
		first.text(t, fmt.Sprint("k", i), "v")
	}
	for _, p := range ring.Nodes {
		s := pages(t, p)
		if got := s.show(t, "").links()["Ring"]; got != "ring" {
			t.Errorf("the link to the ring is %q", got)
		}
		a := s.show(t, "ring")
		wantHas(t, a, "settled", "each item on 2 nodes", "60, in ", "256 MiB")
		if strings.Contains(a.text(), "fewer answer") || strings.Contains(a.text(), "not settled") {
			t.Errorf("of a settled ring of two the page says:\n%s", a.text())
		}
		bars := a.all(func(n *htmlNode) bool { return n.Data == "li" && strings.Contains(inside(n), "serving") })
		if len(bars) != 2 {
			t.Fatalf("%d shares of 2 nodes:\n%s", len(bars), a.text())
		}
		for _, bar := range bars {
			if here := strings.Contains(inside(bar), p.Address("kv-srv")); strings.Contains(inside(bar), "answers here") != here {
				t.Errorf("%s answers, and the page says %s", p.Address("kv-srv"), inside(bar))
			}
		}
		largest := s.show(t, "ring?sort=-keys").all(func(n *htmlNode) bool { return n.Data == "tr" })
		smallest := s.show(t, "ring?sort=keys").all(func(n *htmlNode) bool { return n.Data == "tr" })
		if len(largest) != 3 || len(smallest) != 3 || inside(largest[1].FirstChild) != inside(smallest[2].FirstChild) {
			t.Errorf("the order of the table does not turn around:\n%s", a.text())
		}
	}
}

// TestRingFollows: the page tells of a node that joins and leaves.
func TestRingFollows(t *testing.T) {
	ring := ringtest.Run(t, 1)
	s := pages(t, ring.Nodes[0])
	s.text(t, "k", "v")
	f := s.follow(t, "ring")
	f.await(t, "fewer answer for their keys now: 1")
	joined := t.Run("a second joins", func(t *testing.T) {
		p := ring.Join(t)
		f.await(t, "each item on 2 nodes</dd>")
		f.await(t, p.Address("kv-srv"))
	})
	if joined {
		f.await(t, "fewer answer for their keys now: 1")
	}
}

// TestNoRing: where there is no ring, nothing leads to it, and its page says what to do.
func TestNoRing(t *testing.T) {
	s := open(t, nil)
	if to, ok := s.show(t, "").links()["Ring"]; ok {
		t.Errorf("a link to %s", to)
	}
	a := s.show(t, "ring")
	wantHas(t, a, "No ring", "KV_PEERS=")
	if strings.Contains(a.body, "sse-connect") {
		t.Error("the page follows what will not be")
	}
}
