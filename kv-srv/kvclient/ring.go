package kvclient

import (
	"context"
	"time"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Ring is instances of the service that keep the items of memory: together, its nodes.
type Ring struct {
	Replicas int    // nodes that each item is on, where there are as many
	Slots    int    // parts that the keys are divided into, each with one owner
	Node     string // that has answered
	Nodes    []Node // in the order of their names
}

// NodeState is what a node does for the keys that are its own.
type NodeState int

// The states of nodes. A service newer than this package may have others.
const (
	NodeJoining NodeState = iota + 1 // copies what will be its own, and answers for nothing yet
	NodeServing                      // answers for its keys
	NodeLeaving                      // answers for its keys, and hands them over
)

func (s NodeState) String() string {
	switch s {
	case NodeJoining:
		return "joining"
	case NodeServing:
		return "serving"
	case NodeLeaving:
		return "leaving"
	}
	return "unknown"
}

// Node is one process of a Ring.
type Node struct {
	Name      string // host:port, where other nodes reach it
	State     NodeState
	Share     float64 // of all keys that it answers for, from 0 to 1
	Keys      int64   // items that it answers for
	Copies    int64   // items that it keeps for other nodes
	Bytes     int64   // of memory that all of these take
	MaxBytes  int64   // that they may take
	Moving    int64   // slots that it still has to bring up to date on other nodes
	Moved     int64   // items that it has sent to that end, since it started
	Conflicts int64   // items written on both sides of a partition, of which it has dropped the older, since it started
	Started   time.Time
	Waiting   string // why it does not answer for its keys now; "": it does, or it joins
	Silent    bool   // it has not answered: Name, State, Share and Started are what others know, and there is no more
}

// Ring returns the nodes that keep the items of memory: together, and what is on its way
// between them. Where there is no ring, the reason of the Error is "kv.unsupported".
func (c *Client) Ring(ctx context.Context) (Ring, error) {
	rsp, err := c.kv.GetRing(ctx, &kvpb.GetRingRequest{}, c.call(ctx, again)...)
	if err != nil {
		return Ring{}, failed(ctx, "get ring", "", err)
	}
	r := Ring{Replicas: int(rsp.GetReplicas()), Slots: int(rsp.GetSlots()), Node: rsp.GetNode()}
	for _, n := range rsp.GetNodes() {
		r.Nodes = append(r.Nodes, node(n))
	}
	return r, nil
}

func node(p *kvpb.GetRingResponse_Node) Node {
	n := Node{
		Name: p.GetName(), State: NodeState(p.GetState()), Share: p.GetShare(),
		Keys: p.GetKeys(), Copies: p.GetCopies(), Bytes: p.GetBytes(), MaxBytes: p.GetMaxBytes(),
		Moving: p.GetMoving(), Moved: p.GetMoved(), Conflicts: p.GetConflicts(),
		Waiting: p.GetWaiting(), Silent: p.GetSilent(),
	}
	if p.GetStartTime() != nil {
		n.Started = p.GetStartTime().AsTime()
	}
	return n
}
