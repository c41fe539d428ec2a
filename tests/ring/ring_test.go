// Package ring_test kills, stops, cuts off, adds and takes away kv-srv processes that keep
// the items of memory: together, while callers use them.
package ring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestRing is a small one of all that follows.
func TestRing(t *testing.T) {
	c := newCluster(t, nil, loopback(t, 3)...)
	l := c.load(300)
	w := l.watch()
	l.start()
	l.last(500)
	c.kill(c.nodes[0])
	l.last(500)
	l.sweep("killed")
	c.again(c.nodes[0])
	c.settle("started again")
	l.stop()
	l.verify()
	w.wantFinal()
}

// interop skips what takes long.
func interop(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") == "" {
		t.Skip("INTEROP=1 runs this; it takes minutes with the others")
	}
}

// last waits until the load has had so many answers from now on.
func (l *load) last(answers int) {
	l.cluster.t.Helper()
	had := l.answers()
	await(l.cluster.t, "answers", func() string {
		if got := l.answers() - had; got < answers {
			return fmt.Sprintf("%d of %d", got, answers)
		}
		return ""
	})
}

func (l *load) answers() int {
	l.seen.mu.Lock()
	defer l.seen.mu.Unlock()
	n := 0
	for _, some := range l.seen.answers {
		n += some
	}
	return n
}

// TestKilled kills a node of three under load. Nothing acknowledged is lost and no caller
// sees more than one failure in a row; the node comes back, and takes its part again.
func TestKilled(t *testing.T) {
	interop(t)
	keys := 100_000
	if testing.Short() || raceDetector() {
		keys = 10_000
	}
	c := newCluster(t, nil, loopback(t, 3)...)
	l := c.load(keys)
	w := l.watch()
	l.start()
	l.last(2000)

	killed := time.Now()
	c.kill(c.nodes[1])
	swept := l.sweep("killed")
	c.settle("killed")
	l.last(2000)
	c.logf("killed: nodes that live answered every call after %v, all keys were read after %v",
		l.seen.lastRetry(killed).Round(time.Millisecond), swept.Round(time.Millisecond))
	l.report()

	c.again(c.nodes[1])
	c.settle("returned")
	l.last(2000)
	l.stop()
	l.verify()
	w.wantFinal()

	// What it holds now is worth as much as it was before.
	c.kill(c.nodes[2])
	l.sweep("killed another one")
	c.settle("killed another one")
	l.verify()
	w.wantFinal()
}

// TestJoins adds a fourth node under load: about a quarter of the keys move, and no read
// misses one meanwhile.
func TestJoins(t *testing.T) {
	interop(t)
	c := newCluster(t, nil, loopback(t, 3)...)
	l := c.load(10_000)
	w := l.watch()
	before := shares(c.ring())
	l.start()
	l.last(1000)
	joined := c.join(loopback(t, 1)[0])
	l.sweep("joining")
	c.settle("joined")
	l.last(1000)
	l.stop()
	l.verify()
	w.wantFinal()

	ring := c.ring()
	after := shares(ring)
	var keys, its int64
	for _, n := range ring.GetNodes() {
		if keys += n.GetKeys(); n.GetName() == joined.address {
			its = n.GetKeys()
		}
	}
	part := float64(its) / float64(keys)
	c.logf("%.1f %% of the keys moved, %.1f %% of the share: %s", 100*part, 100*after[joined.address], show(ring))
	for name, share := range before {
		if after[name] > share {
			t.Errorf("%s had %.3f of the keys and has %.3f", name, share, after[name])
		}
	}
	if moved := after[joined.address]; moved < 0.2 || moved > 0.3 || part < 0.2 || part > 0.3 {
		t.Errorf("%.3f of the keys moved, by share %.3f, want 0.2 to 0.3", part, moved)
	}
}

func shares(ring *kvpb.GetRingResponse) map[string]float64 {
	all := map[string]float64{}
	for _, n := range ring.GetNodes() {
		all[n.GetName()] = n.GetShare()
	}
	return all
}

// TestLeaves takes nodes away by SIGTERM under load, until one is left, and adds them
// again: each hands over first, so not even waiting between them is needed.
func TestLeaves(t *testing.T) {
	interop(t)
	c := newCluster(t, nil, loopback(t, 3)...)
	l := c.load(3000)
	w := l.watch()
	l.start()
	for _, p := range []*process{c.nodes[2], c.nodes[1]} {
		l.last(500)
		c.leave(p)
		l.sweep("left")
	}
	c.settle("two left")
	l.last(500)
	c.again(c.nodes[1])
	c.again(c.nodes[2])
	c.settle("two came back")
	l.last(500)
	l.stop()
	l.verify()
	w.wantFinal()
}

// TestStopped stops a node, which then neither answers nor ends a connection. Callers go
// on; and what it knew is not what it answers once it goes on.
func TestStopped(t *testing.T) {
	interop(t)
	c := newCluster(t, nil, loopback(t, 3)...)
	l := c.load(3000)
	w := l.watch()
	l.start()
	l.last(1000)
	stopped := time.Now()
	p := c.nodes[1]
	c.stop(p)
	l.sweep("stopped")
	c.settle("stopped")
	l.last(1000)
	wait(t, time.Until(stopped.Add(10*time.Second)))
	l.report()

	begin := time.Now()
	p.goOn()
	l.awakens(p)
	c.settle("went on")
	c.logf("went on: nodes that live answered every call after %v", l.seen.lastRetry(begin).Round(time.Millisecond))
	l.last(1000)
	l.stop()
	l.verify()
	w.wantFinal()
}

// awakens reads for a while at a node that has just gone on: no answer is better than
// an old one.
func (l *load) awakens(p *process) {
	d := l.cluster.door(p)
	var answers, failures atomic.Int64
	var group sync.WaitGroup
	begin := time.Now()
	for r := range readers {
		group.Go(func() {
			for i := r; time.Since(begin) < 3*time.Second; i += readers {
				e := l.ledger.entries[i%len(l.ledger.entries)]
				if l.glance(d, e) {
					answers.Add(1)
				} else {
					failures.Add(1)
				}
			}
		})
	}
	group.Wait()
	l.cluster.logf("went on: %d reads there were answered, %d were not", answers.Load(), failures.Load())
	l.report()
}

// glance reads a key at one node, and tells whether that answered.
func (l *load) glance(d *door, e *entry) bool {
	ctx, cancel := context.WithTimeout(l.cluster.t.Context(), attempt)
	defer cancel()
	g := e.look()
	item, err := d.grpc.Get(ctx, e.key)
	switch {
	case err == nil:
		l.check(e.saw(g, &item))
	case errors.Is(err, kvclient.ErrNotFound):
		l.check(e.saw(g, nil))
	case !errors.Is(err, kvclient.ErrUnavailable):
		l.check(err)
	}
	return answered(err)
}

// wait lets time pass.
func wait(t testing.TB, d time.Duration) {
	t.Helper()
	pause(t.Context(), d)
}
