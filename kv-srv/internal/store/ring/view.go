package ring

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

const slots = placement.Slots

// member is a node as it has described itself. See ringpb.Member.
type member struct {
	name       string // host:port
	birth, seq uint64
	state      ringpb.State
}

func memberOf(p *ringpb.Member) member {
	return member{p.GetName(), p.GetBirth(), p.GetSequence(), p.GetState()}
}

func (m member) proto() *ringpb.Member {
	return &ringpb.Member{Name: m.name, Birth: m.birth, Sequence: m.seq, State: m.state}
}

// answers tells whether the node answers for keys.
func (m member) answers() bool {
	return m.state == ringpb.State_STATE_SERVING || m.state == ringpb.State_STATE_LEAVING
}

// present tells whether the node belongs into a view.
func (m member) present() bool { return m.answers() || m.state == ringpb.State_STATE_JOINING }

// view is what a node takes the ring for. It never changes, but for what is atomic and
// for what it counts. Nodes that have a view of the same id agree on all of it.
type view struct {
	*placement.Table

	id      uint64
	before  uint64   // the view before, if nobody was lost: who is still in it may have writes to do; else 0
	members []member // in the order of their names
	self    int16    // this node's place in them; -1: it has left
	left    chan struct{}
	todo    map[string][]int // by name, slots of this node to bring up to date there from the begin
	behind  bool             // watches are to catch up with this node; under Store.mu
	revoked bool             // it gets no lease any more: this node has said that it answers for nothing; under Store.mu

	// leased is until when every other member that answers for keys has promised that
	// nobody takes this node's place, in the time of Store.leaseClock. 0: not yet.
	leased      atomic.Int64
	established atomic.Bool  // it was leased once
	moving      atomic.Int32 // slots to bring up to date on others, to offer, and watches to catch up
	settled     atomic.Bool  // nothing moves on any node
	full        atomic.Bool  // some node had no room, and the log has it

	mu       sync.Mutex
	provided []string // who joins and has all that this node gives
}

// forever is the lease of a node that is alone.
const forever = math.MaxInt64

// newView makes the view of some members, as the node of a name sees it.
func newView(self string, members []member, replicas int) *view {
	v := &view{id: viewID(members, replicas), members: members, self: -1, left: make(chan struct{})}
	nodes := make([]placement.Node, len(members))
	for i, m := range members {
		nodes[i] = placement.Node{Name: m.name, Role: role(m.state)}
		if m.name == self {
			v.self = int16(i)
		}
	}
	v.Table = placement.New(nodes, replicas)
	return v
}

func role(s ringpb.State) placement.Role {
	switch s {
	case ringpb.State_STATE_SERVING:
		return placement.Serving
	case ringpb.State_STATE_LEAVING:
		return placement.Leaving
	default:
		return placement.Joining
	}
}

// viewID names what members are and do, never 0.
func viewID(members []member, replicas int) uint64 {
	var d xxhash.Digest
	d.Reset()
	b := binary.AppendUvarint(nil, uint64(replicas)) //nolint:gosec // never negative
	for _, m := range members {
		b = binary.AppendUvarint(b, uint64(len(m.name)))
		b = append(b, m.name...)
		b = binary.AppendUvarint(b, m.birth)
		b = binary.AppendUvarint(b, m.seq)
		b = append(b, byte(m.state)) //nolint:gosec // one of a few
	}
	_, _ = d.Write(b) // never fails
	return max(d.Sum64(), 1)
}

func sortMembers(all []member) {
	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.name, b.name) })
}

// find returns the place of a member, -1 if it is not there.
func (v *view) find(name string) int16 {
	i, ok := slices.BinarySearchFunc(v.members, name, func(m member, name string) int { return cmp.Compare(m.name, name) })
	if !ok {
		return -1
	}
	return int16(i) //nolint:gosec // a ring is small
}

// owns tells whether this node answers for a slot.
func (v *view) owns(slot int) bool { return v.self >= 0 && v.Owner[slot] == v.self }

// holds tells whether this node must have the writes to a slot.
func (v *view) holds(slot int) bool {
	return v.owns(slot) || v.self >= 0 && slices.Contains(v.Copies[slot], v.self)
}

// serves tells whether this node may answer for its keys at a time of Store.leaseClock.
func (v *view) serves(now time.Duration) bool { return v.leased.Load() > int64(now) }

// weight is how many members answer for keys, and lead the first of them.
func (v *view) weight() (n int32, lead string) {
	for _, m := range v.members {
		if m.answers() {
			if n == 0 {
				lead = m.name
			}
			n++
		}
	}
	return n, lead
}

// provide notes that a node that joins has all that this one gives.
func (v *view) provide(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.provided = append(v.provided, name)
}

func (v *view) providedTo() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.provided)
}
