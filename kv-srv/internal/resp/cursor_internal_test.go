package resp

import "testing"

// TestCursors: numbers are kept until there are too many, and belong to one list.
func TestCursors(t *testing.T) {
	next := uint64(0)
	c := newCursors(func() uint64 { next++; return next / 2 }) // each twice
	first := c.add(place{"a", "p", "1"})
	if token, ok := c.token(first, "a", "p"); first == 0 || !ok || token != "1" {
		t.Errorf("got %d, %q, %v", first, token, ok)
	}
	for _, other := range []place{{"b", "p", ""}, {"a", "q", ""}} {
		if _, ok := c.token(first, other.namespace, other.prefix); ok {
			t.Errorf("the number is one of %v, too", other)
		}
	}
	seen := map[uint64]bool{first: true}
	for range maxCursors - 1 {
		seen[c.add(place{"a", "p", "2"})] = true
	}
	if _, ok := c.token(first, "a", "p"); !ok || len(seen) != maxCursors {
		t.Errorf("the first is there: %v, of %d", ok, len(seen))
	}
	c.add(place{"a", "p", "3"})
	if _, ok := c.token(first, "a", "p"); ok || len(c.places) != maxCursors {
		t.Errorf("the first is there: %v, of %d", ok, len(c.places))
	}
}
