package store

import (
	"context"
	"time"
)

// Ring is several processes that keep the items of one store together.
type Ring struct {
	Replicas int    // nodes that each item is on
	Slots    int    // parts that the keys are divided into, each with one owner
	Node     string // that was asked
	Nodes    []Node // in the order of their names
}

// NodeState is what a node does for the keys that are its own.
type NodeState int

// The states of a node.
const (
	Joining NodeState = iota + 1 // copies what will be its own, and answers for nothing yet
	Serving                      // answers for its keys
	Leaving                      // answers for its keys, and hands them over
)

// Node is one process of a Ring.
type Node struct {
	Name      string // host:port, where other nodes reach it
	State     NodeState
	Share     float64 // of all keys that it answers for, from 0 to 1
	Keys      int64   // items that it answers for
	Copies    int64   // items that it keeps for other nodes
	Bytes     int64   // memory of all that it keeps
	MaxBytes  int64
	Moving    int64 // slots that it still has to bring up to date on other nodes
	Moved     int64 // items that it has sent to that end
	Conflicts int64 // items written on both sides of a partition, of which it dropped the older one
	Started   time.Time
	Waiting   string // why it does not answer for its keys; "": it does, or it joins
	Silent    bool   // it did not answer: what is said of it is what others know
}

// A Ringed is a Store that several processes keep together.
type Ringed interface {
	Store

	// Ring returns who they are and what they do.
	Ring(ctx context.Context) (Ring, error)
}

// A Leaser is a Store that has one lease on a key for all services that share it.
type Leaser interface {
	Store

	// Lease takes the lease on a key for d, unless somebody has it or the item has another
	// version than its caller has seen, 0 for none: false. A write to the key ends it, and a Delete that finds no item; one that failed
	// otherwise does not. A lease that nobody uses ends by its time, and one is lost with
	// the process that keeps it. A store that has leases of some namespaces alone returns an
	// *UnsupportedError for the others: theirs are left to the caller.
	Lease(ctx context.Context, namespace, key string, seen uint64, d time.Duration) (bool, error)
}
