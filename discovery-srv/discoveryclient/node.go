package discoveryclient

import (
	"time"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Role is what a node does.
type Role int

// The roles. A service newer than this package may have others.
const (
	RoleWrite Role = iota + 1 // it keeps leases
	RoleRead                  // it follows a node that does
)

func (r Role) String() string {
	switch r {
	case RoleWrite:
		return "write"
	case RoleRead:
		return "read"
	}
	return unknown
}

// Node is what a node of the service knows of itself.
type Node struct {
	Role       Role
	Warming    bool          // it was started a moment ago: what it does not know of may be there all the same
	Preserving time.Time     // since when no lease ends, as too many are late at once; zero: leases end
	Age        time.Duration // how old what it tells may be; 0: up to date
	Leases     int64         // that it has
	Late       int64         // of these, those that were not renewed for two thirds of their time
	Watchers   int64         // streams that follow it
	Away       string        // why the registry below it, or the node that it follows, is not reached; "": it is
}

func nodeOf(p *discoverypb.NodeState) Node {
	return Node{
		Role: Role(p.GetRole()), Warming: p.GetWarming(), Preserving: timeOf(p.GetPreservingSince()), Age: p.GetAge().AsDuration(),
		Leases: p.GetLeases(), Late: p.GetLate(), Watchers: p.GetWatchers(), Away: p.GetAway(),
	}
}

// alike tells whether two states of a node mean the same to who asks it.
func (n Node) alike(o Node) bool {
	return n.Role == o.Role && n.Warming == o.Warming && n.Preserving.Equal(o.Preserving) && (n.Age > 0) == (o.Age > 0) && n.Away == o.Away
}
