// Package placement says which nodes of a ring have which keys, by rendezvous hashing
// (Thaler and Ravishankar, 1998): each node has a weight for each slot, and those with
// the largest weights have it. So a node that comes or goes moves its own slots alone.
package placement

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Slots is how many parts the keys are divided into. All nodes have the same number.
const Slots = 4096

// Hash is what the slot of a key comes from: Hash % Slots. It is the same on all nodes.
func Hash(namespace, key string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(namespace) // never fails
	_, _ = d.Write([]byte{0})       // in no namespace
	_, _ = d.WriteString(key)
	return d.Sum64()
}

// Slot returns the slot of a key.
func Slot(namespace, key string) int { return int(Hash(namespace, key) % Slots) }

// Role is what a node does in a ring.
type Role int

// The roles.
const (
	Joining Role = iota + 1 // has no slot yet, and is given what it will have
	Serving
	Leaving // has its slots still, and others are given them
)

// Node is one node of a ring.
type Node struct {
	Name string
	Role Role
}

// Table says who has what, by the nodes' places in the list that it was made from.
type Table struct {
	// Owner of each slot, -1 where there is none.
	Owner [Slots]int16

	// Copies are the other nodes that must have every write to a slot: its other
	// replicas, and who will be owner or replica once all have joined or left.
	Copies [Slots][]int16
}

// New makes the table of a ring that keeps each slot on some nodes, if it has as many.
func New(nodes []Node, replicas int) *Table {
	t := &Table{}
	seeds := make([]uint64, len(nodes))
	for i, n := range nodes {
		seeds[i] = xxhash.Sum64String(n.Name)
	}
	order := make([]int16, len(nodes))
	weights := make([]uint64, len(nodes))
	for slot := range Slots {
		for i := range nodes {
			order[i], weights[i] = int16(i), weight(seeds[i], slot)
		}
		slices.SortFunc(order, func(a, b int16) int {
			if weights[a] != weights[b] {
				if weights[a] > weights[b] {
					return -1
				}
				return 1
			}
			return int(a) - int(b)
		})
		t.Owner[slot], t.Copies[slot] = place(nodes, order, replicas)
	}
	return t
}

// weight of a node for a slot.
func weight(seed uint64, slot int) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(slot)) //nolint:gosec // never negative
	return xxhash.Sum64(b[:])
}

// place returns the owner of a slot and who else must have its writes, given the nodes
// in the order of their weights.
func place(nodes []Node, order []int16, replicas int) (owner int16, copies []int16) {
	owner = -1
	var having, staying int // nodes before this one that have slots, and that will
	for _, i := range order {
		role := nodes[i].Role
		has := role != Joining && having < replicas
		will := staying < replicas // also of several that join or leave, one after the other
		switch {
		case has && owner < 0:
			owner = i
		case has || will:
			copies = append(copies, i)
		}
		if role != Joining {
			having++
		}
		if role == Serving {
			staying++
		}
	}
	return owner, copies
}
