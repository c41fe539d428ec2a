package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
)

func ring(t *rapid.T, least int) ([]placement.Node, int) {
	names := rapid.SliceOfNDistinct(rapid.StringN(1, 20, -1), least, 12, rapid.ID).Draw(t, "names")
	slices.Sort(names)
	nodes := make([]placement.Node, len(names))
	for i, name := range names {
		nodes[i] = placement.Node{Name: name, Role: placement.Serving}
	}
	return nodes, rapid.IntRange(1, 4).Draw(t, "replicas")
}

// holders returns the names of who must have the writes of a slot, the owner first.
func holders(t *placement.Table, nodes []placement.Node, slot int) []string {
	var all []string
	if o := t.Owner[slot]; o >= 0 {
		all = append(all, nodes[o].Name)
	}
	for _, i := range t.Copies[slot] {
		all = append(all, nodes[i].Name)
	}
	return all
}

// TestReplicas: each slot is on as many different nodes as it is to be, or on all.
func TestReplicas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, replicas := ring(t, 1)
		table := placement.New(nodes, replicas)
		for slot := range placement.Slots {
			all := holders(table, nodes, slot)
			if len(all) != min(replicas, len(nodes)) {
				t.Fatalf("slot %d is on %q, want %d nodes", slot, all, min(replicas, len(nodes)))
			}
			slices.Sort(all)
			if len(slices.Compact(all)) != min(replicas, len(nodes)) {
				t.Fatalf("slot %d is on a node twice: %q", slot, all)
			}
		}
	})
}

// TestOrder: what nodes there are decides, not in which order they are known.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, replicas := ring(t, 1)
		other := rapid.Permutation(nodes).Draw(t, "order")
		a, b := placement.New(nodes, replicas), placement.New(other, replicas)
		for slot := range placement.Slots {
			if x, y := holders(a, nodes, slot), holders(b, other, slot); !slices.Equal(x, y) {
				t.Fatalf("slot %d is on %q, and in another order on %q", slot, x, y)
			}
		}
	})
}

// TestLoss: when a node is lost, its slots go to who has them already, and no other slot
// has another owner. The copies of a slot only move up.
func TestLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, replicas := ring(t, 2)
		lost := rapid.IntRange(0, len(nodes)-1).Draw(t, "lost")
		rest := slices.Delete(slices.Clone(nodes), lost, lost+1)
		before, after := placement.New(nodes, replicas), placement.New(rest, replicas)
		for slot := range placement.Slots {
			old := holders(before, nodes, slot)
			left := slices.DeleteFunc(slices.Clone(old), func(name string) bool { return name == nodes[lost].Name })
			now := holders(after, rest, slot)
			if !slices.Equal(left, now[:len(left)]) {
				t.Fatalf("slot %d was on %q; without %q it is on %q", slot, old, nodes[lost].Name, now)
			}
		}
	})
}

// TestJoin: who joins is given every slot that it will have, before it has it, and who has
// a slot now keeps it until then. The same the other way round for who leaves.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, replicas := ring(t, 2)
		for i := range nodes {
			nodes[i].Role = rapid.SampledFrom([]placement.Role{placement.Joining, placement.Serving, placement.Serving, placement.Leaving}).Draw(t, "role")
		}
		moving := rapid.IntRange(0, len(nodes)-1).Draw(t, "moving")
		then := slices.Clone(nodes)
		switch nodes[moving].Role {
		case placement.Joining:
			then[moving].Role = placement.Serving
		case placement.Leaving:
			then = slices.Delete(then, moving, moving+1)
		default:
			t.Skip("nobody moves")
		}
		before, after := placement.New(nodes, replicas), placement.New(then, replicas)
		for slot := range placement.Slots {
			if o := before.Owner[slot]; o >= 0 && nodes[o].Role == placement.Joining {
				t.Fatalf("slot %d belongs to %q, which joins", slot, nodes[o].Name)
			}
			now := holders(after, then, slot)
			if o := after.Owner[slot]; o < 0 {
				continue
			}
			old := holders(before, nodes, slot)
			if before.Owner[slot] >= 0 && !slices.Contains(old, now[0]) {
				t.Fatalf("slot %d goes to %q, which is not given it: %q", slot, now[0], old)
			}
		}
	})
}

// TestBalance: with real names, shares are even, and a fourth node takes a quarter.
func TestBalance(t *testing.T) {
	for n := 2; n <= 8; n++ {
		var nodes []placement.Node
		for i := range n {
			nodes = append(nodes, placement.Node{Name: fmt.Sprintf("10.0.0.%d:8106", i+1), Role: placement.Serving})
		}
		slots := make([]int, n)
		for _, o := range placement.New(nodes, 2).Owner {
			slots[o]++
		}
		for i, have := range slots {
			if want := float64(placement.Slots) / float64(n); float64(have) < want*0.85 || float64(have) > want*1.15 {
				t.Errorf("of %d nodes, %s has %d slots, want about %.0f", n, nodes[i].Name, have, want)
			}
		}
	}
}

// TestHash: nodes of later versions must find the keys where those of this one do.
func TestHash(t *testing.T) {
	for _, tt := range []struct {
		namespace, key string
		want           int
	}{{"default", "greeting", 6}, {"billing", "a", 973}, {"a", "b", 2241}} {
		if got := placement.Slot(tt.namespace, tt.key); got != tt.want {
			t.Errorf("slot of %s/%s: got %d, want %d", tt.namespace, tt.key, got, tt.want)
		}
	}
}
