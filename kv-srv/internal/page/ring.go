package page

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/micro/platform/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// ringOften is how long the figures of a ring may be old: they are asked of every node.
const ringOften = time.Second

// ringView is a ring with what is on its way in it.
type ringView struct {
	Replicas    int32
	Slots       int64
	Nodes       []ringNode // in their order
	Table       []ringNode // in the order that was asked for
	Keys, Bytes int64      // of all nodes that have answered
	Untold      bool       // some have not
	Moves       []string   // what is not as it will be, in words; none: all is settled
	Short       string     // why items are on fewer nodes than they should be; "": they are not
}

// ringNode is a node in words.
type ringNode struct {
	*kvpb.GetRingResponse_Node

	Answers bool   // to this page
	Says    string // its state
	Look    string // of the state
	Why     string // it does not answer for its keys; "": it does
}

// Filled is the part of its memory that is in use, from 0 to 1.
func (n ringNode) Filled() float64 {
	if n.GetMaxBytes() <= 0 {
		return 0
	}
	return min(1, float64(n.GetBytes())/float64(n.GetMaxBytes()))
}

// showRing has no Data where there is no ring.
func showRing(ctx context.Context, r *page.Request) (page.Content, error) {
	rsp, err := page.Call[kvpb.GetRingResponse](ctx, r, "KV.GetRing", &kvpb.GetRingRequest{})
	switch {
	case unsupported(err):
		return page.Content{Title: "Ring"}, nil
	case err != nil:
		return page.Content{}, err
	}
	v := newRingView(rsp)
	page.Sort(r, v.Table, page.Columns[ringNode]{
		"node":      func(a, b ringNode) int { return strings.Compare(a.GetName(), b.GetName()) },
		"keys":      func(a, b ringNode) int { return cmp.Compare(a.GetKeys(), b.GetKeys()) },
		"copies":    func(a, b ringNode) int { return cmp.Compare(a.GetCopies(), b.GetCopies()) },
		"bytes":     func(a, b ringNode) int { return cmp.Compare(a.GetBytes(), b.GetBytes()) },
		"moving":    func(a, b ringNode) int { return cmp.Compare(a.GetMoving(), b.GetMoving()) },
		"moved":     func(a, b ringNode) int { return cmp.Compare(a.GetMoved(), b.GetMoved()) },
		"conflicts": func(a, b ringNode) int { return cmp.Compare(a.GetConflicts(), b.GetConflicts()) },
		"up":        func(a, b ringNode) int { return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime()) },
	}, "node")
	return page.Content{Title: "Ring", Data: v}, nil
}

func newRingView(rsp *kvpb.GetRingResponse) *ringView {
	v := &ringView{Replicas: rsp.GetReplicas(), Slots: int64(rsp.GetSlots())}
	serving := 0
	for _, p := range rsp.GetNodes() {
		n := newRingNode(p, p.GetName() == rsp.GetNode())
		v.Nodes, v.Table = append(v.Nodes, n), append(v.Table, n)
		v.Untold = v.Untold || p.GetSilent()
		v.Keys, v.Bytes = v.Keys+p.GetKeys(), v.Bytes+p.GetBytes()
		if n.Look == "ready" {
			serving++
		} else {
			v.Moves = append(v.Moves, p.GetName()+" is "+n.Says)
		}
		if p.GetMoving() > 0 {
			v.Moves = append(v.Moves, fmt.Sprintf("%s brings %s up to date on other nodes", p.GetName(), slots(p.GetMoving())))
		}
	}
	if serving < int(rsp.GetReplicas()) {
		v.Short = fmt.Sprintf("fewer answer for their keys now: %d", serving)
	}
	return v
}

func slots(n int64) string {
	if n == 1 {
		return "1 slot"
	}
	return page.Count(n) + " slots"
}

func newRingNode(p *kvpb.GetRingResponse_Node, answers bool) ringNode {
	state := strings.ToLower(strings.TrimPrefix(p.GetState().String(), "STATE_"))
	n := ringNode{GetRingResponse_Node: p, Answers: answers, Says: state, Look: "waiting", Why: p.GetWaiting()}
	switch {
	case p.GetSilent():
		n.Says, n.Look, n.Why = "silent", "away", "It has not answered in time. Others know it as "+state+"."
	case p.GetState() != kvpb.GetRingResponse_STATE_SERVING:
	case p.GetWaiting() != "":
		n.Says = "waiting"
	default:
		n.Look = "ready"
	}
	return n
}
