package ring_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/micro/platform/kv-srv/kvclient"
)

// perKind is how many keys have the same fate.
const perKind = 50

// A fate is what becomes of a key on both sides of a partition, in this order.
type fate struct {
	name  string
	there bool   // before the partition
	steps []step // while there is one
}

// A step is a write at one side. No value is a delete.
type step struct {
	side  int
	value string
}

func fates() []fate {
	return []fate{
		{"untouched", true, nil},
		{"left-alone", false, []step{{left, "left"}}},
		{"right-alone", false, []step{{right, "right"}}},
		{"left-over-old", true, []step{{left, "left"}}},
		{"right-over-old", true, []step{{right, "right"}}},
		{"left-then-right", true, []step{{left, "left"}, {right, "right"}}},
		{"right-then-left", true, []step{{right, "right"}, {left, "left"}}},
		{"new-left-then-right", false, []step{{left, "left"}, {right, "right"}}},
		{"new-right-then-left", false, []step{{right, "right"}, {left, "left"}}},
		{"deleted-left", true, []step{{left, ""}}},
		{"deleted-right", true, []step{{right, ""}}},
		{"deleted-then-put", true, []step{{left, ""}, {right, "right"}}},
		{"put-then-deleted", true, []step{{left, "left"}, {right, ""}}},
	}
}

const (
	left  = iota // one node
	right        // two
)

// TestPartition cuts a node off from two others. Each side goes on. When they are
// together again, the last writer of each key has won, on every node.
func TestPartition(t *testing.T) {
	interop(t)
	n := newNetwork(t, 3)
	c := newCluster(t, []string{"PLATFORM_INSECURE=true"}, n.hosts()...)
	p := &partition{cluster: c, want: map[string]string{}, versions: map[string]uint64{}}
	p.before()
	seen := newRecord()
	w := c.watch(seen, c.door(c.nodes[left]))

	n.cut(0)
	cut := time.Now()
	p.goesOn(left, c.nodes[0])
	p.goesOn(right, c.nodes[1])
	c.settleApart("the left side alone", c.nodes[:1])
	c.settleApart("the right side alone", c.nodes[1:])
	c.logf("each side settled %v after the cut", time.Since(cut).Round(time.Millisecond))
	p.meanwhile()

	n.heal()
	c.settle("healed")
	p.after()
	w.wantFinal()
	for _, problem := range seen.problems {
		t.Error(problem)
	}
}

// A partition is what was written before and during it.
type partition struct {
	cluster  *cluster
	want     map[string]string // what each key holds at the end
	versions map[string]uint64 // the largest that was answered for it
	both     int               // keys that were written on both sides
	refused  int               // deletes of keys that a side does not have
}

func (p *partition) kv(side int) *kvclient.Client { return p.cluster.door(p.cluster.nodes[side]).grpc }

// each calls f with each key.
func each(f func(fate, string)) {
	for _, kind := range fates() {
		for i := range perKind {
			f(kind, fmt.Sprintf("%s/%d", kind.name, i))
		}
	}
}

func (p *partition) before() {
	each(func(kind fate, key string) {
		if kind.there {
			p.put(left, key, "old")
		}
	})
}

// goesOn waits until a side takes writes and answers reads again.
func (p *partition) goesOn(side int, at *process) {
	t := p.cluster.t
	t.Helper()
	took := await(t, "a side that goes on", func() string {
		for i := range perKind {
			ctx, cancel := context.WithTimeout(t.Context(), attempt)
			key := fmt.Sprintf("alive/%d/%d", side, i)
			_, err := p.kv(side).Put(ctx, key, []byte("alive"))
			if err == nil {
				_, err = p.kv(side).Get(ctx, key)
			}
			cancel()
			if err != nil {
				return err.Error()
			}
		}
		return ""
	})
	p.cluster.logf("%s takes writes, for keys of any owner, within %v", at.address, took.Round(time.Millisecond))
}

// meanwhile writes as the fates say. What a step did is over when the next begins, so
// the last one has the largest version.
func (p *partition) meanwhile() {
	p.cluster.t.Helper()
	each(func(kind fate, key string) {
		done := map[int]bool{}
		for _, s := range kind.steps {
			if s.value == "" && !p.remove(s.side, key) {
				continue
			} else if s.value != "" {
				p.put(s.side, key, s.value)
			}
			done[s.side] = true
		}
		if len(done) == 2 {
			p.both++
		}
	})
	p.cluster.logf("%d keys written on both sides; %d deletes found nothing", p.both, p.refused)
}

func (p *partition) put(side int, key, value string) {
	t := p.cluster.t
	t.Helper()
	version, err := p.kv(side).Put(t.Context(), key, []byte(value))
	if err != nil {
		t.Fatalf("at %s: %v", p.cluster.nodes[side].address, err)
	}
	if version <= p.versions[key] {
		t.Errorf("put %s at %s: version %d after %d", key, p.cluster.nodes[side].address, version, p.versions[key])
	}
	p.want[key], p.versions[key] = value, version
}

// remove tells whether there was something to delete: one node has no more than its part.
func (p *partition) remove(side int, key string) bool {
	t := p.cluster.t
	t.Helper()
	err := p.kv(side).Delete(t.Context(), key)
	switch {
	case err == nil:
		delete(p.want, key)
	case errors.Is(err, kvclient.ErrNotFound) && side == left:
		p.refused++
	default:
		t.Fatalf("at %s: %v", p.cluster.nodes[side].address, err)
	}
	return err == nil
}

// after checks that all nodes hold what was written last, and what they count.
func (p *partition) after() {
	t := p.cluster.t
	t.Helper()
	var agreed map[string]kvclient.Item
	for _, node := range p.cluster.nodes {
		got := p.items(node)
		if agreed == nil {
			agreed = got
		}
		if diff := cmp.Diff(agreed, got, cmpopts.IgnoreFields(kvclient.Item{}, "Updated")); diff != "" {
			t.Errorf("%s, other than the first (-want +got):\n%s", node.address, diff)
		}
	}
	values := map[string]string{}
	for key, item := range agreed {
		values[key] = string(item.Value)
		if item.Version < p.versions[key] {
			t.Errorf("%s has version %d, which was %d", key, item.Version, p.versions[key])
		}
	}
	if diff := cmp.Diff(p.want, values); diff != "" {
		t.Errorf("what is there (-want +got):\n%s", diff)
	}
	p.wantConflicts()
}

// items are those of all fates that a node has.
func (p *partition) items(node *process) map[string]kvclient.Item {
	t := p.cluster.t
	t.Helper()
	got := map[string]kvclient.Item{}
	each(func(_ fate, key string) {
		item, err := p.cluster.door(node).mucp.Get(t.Context(), key)
		switch {
		case err == nil:
			got[key] = item
		case !errors.Is(err, kvclient.ErrNotFound):
			t.Fatalf("at %s: %v", node.address, err)
		}
	})
	return got
}

func (p *partition) wantConflicts() {
	t := p.cluster.t
	t.Helper()
	conflicts := int64(0)
	ring := p.cluster.ring()
	for _, n := range ring.GetNodes() {
		conflicts += n.GetConflicts()
	}
	p.cluster.logf("%d conflicts: %s", conflicts, show(ring))
	if conflicts < int64(p.both) || conflicts > int64(p.both)*int64(ring.GetReplicas()) {
		t.Errorf("got %d conflicts of %d keys", conflicts, p.both)
	}
}
