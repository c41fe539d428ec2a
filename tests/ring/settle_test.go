package ring_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	microclient "go-micro.dev/v5/client"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// alive are the nodes that run and are not stopped.
func (c *cluster) alive() []*process {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(p *process) bool { return !p.running || p.stopped })
}

// settle waits until all nodes that live are one ring, in which nothing is left to be
// moved, and returns how long that took.
func (c *cluster) settle(after string) time.Duration {
	c.t.Helper()
	alive := c.alive()
	took := c.settleApart(after, alive)
	for _, p := range alive {
		c.door(p).excused.Store(false)
	}
	c.logf("%s: settled after %v", after, took.Round(time.Millisecond))
	return took
}

// settleApart waits until each of some nodes sees a settled ring of those alone.
func (c *cluster) settleApart(after string, nodes []*process) time.Duration {
	c.t.Helper()
	return await(c.t, after, func() string {
		for _, p := range nodes {
			if err := p.ready(); err != nil {
				return fmt.Sprintf("%s is not ready: %v", p.address, err)
			}
			if instead := c.unsettled(p, nodes); instead != "" {
				return fmt.Sprintf("%s sees %s", p.address, instead)
			}
		}
		return ""
	})
}

// view is the ring as one node sees it.
func (c *cluster) view(p *process) (*kvpb.GetRingResponse, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), attempt)
	defer cancel()
	return c.door(p).ring.GetRing(ctx, &kvpb.GetRingRequest{},
		microclient.WithAddress(p.address), microclient.WithRequestTimeout(attempt), microclient.WithRetries(0))
}

// unsettled says why the ring that p sees is not a settled one of these nodes.
func (c *cluster) unsettled(p *process, nodes []*process) string {
	ring, err := c.view(p)
	if err != nil {
		return err.Error()
	}
	var got, want []string
	for _, n := range ring.GetNodes() {
		got = append(got, n.GetName())
	}
	for _, n := range nodes {
		want = append(want, n.address)
	}
	slices.Sort(want)
	if ring.GetNode() != p.address || !slices.Equal(got, want) {
		return fmt.Sprintf("%v, of which it is %s, want %v", got, ring.GetNode(), want)
	}
	for _, n := range ring.GetNodes() {
		began := nodes[slices.IndexFunc(nodes, func(p *process) bool { return p.address == n.GetName() })].began
		switch {
		case n.GetState() != kvpb.GetRingResponse_STATE_SERVING, n.GetMoving() != 0, n.GetWaiting() != "", n.GetSilent():
			return show(ring)
		case n.GetStartTime().AsTime().Before(began.Add(-time.Second)): // it counts in its own steps
			return "an earlier life in " + show(ring)
		}
	}
	return ""
}

// show writes a ring in a line for each node.
func show(ring *kvpb.GetRingResponse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d replicas, %d slots", ring.GetReplicas(), ring.GetSlots())
	for _, n := range ring.GetNodes() {
		fmt.Fprintf(&b, "\n\t%s %s share=%.3f keys=%d copies=%d moving=%d moved=%d conflicts=%d silent=%t waiting=%q",
			n.GetName(), strings.ToLower(strings.TrimPrefix(n.GetState().String(), "STATE_")), n.GetShare(), n.GetKeys(), n.GetCopies(),
			n.GetMoving(), n.GetMoved(), n.GetConflicts(), n.GetSilent(), n.GetWaiting())
	}
	return b.String()
}

// ring is a settled one as a node that lives sees it.
func (c *cluster) ring() *kvpb.GetRingResponse {
	c.t.Helper()
	ring, err := c.view(c.alive()[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return ring
}
