package ring_test

import (
	"slices"
	"strconv"
	"testing"
)

// TestMeetLate: nodes that began without each other, and were written to, become one ring,
// which has what each of them had. Of a key that both had it has the later write.
func TestMeetLate(t *testing.T) {
	big, small := newRing(t, 2), newRing(t, 1)
	want := map[string]string{}
	for i := range 200 {
		n := strconv.Itoa(i)
		put(t, big[0], "big"+n, n)
		put(t, small[0], "small"+n, n)
		want["big"+n], want["small"+n] = n, n
	}
	for i := range 50 {
		key, first, second := "both"+strconv.Itoa(i), big[0], small[0]
		if i%2 == 0 {
			first, second = second, first
		}
		put(t, first, key, "first")
		put(t, second, key, "second")
		want[key] = "second"
	}
	small[0].Meet(big[1].name)
	all := slices.Concat(big, small)
	settle(t, all...)
	for _, n := range all {
		wantAll(t, n, want)
	}
	r, err := all[0].Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counted := int64(0)
	for _, n := range r.Nodes {
		counted += n.Conflicts
	}
	if counted != 50 {
		t.Errorf("%d conflicts were counted, want 50", counted)
	}
}
