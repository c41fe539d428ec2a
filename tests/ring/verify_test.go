package ring_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

// sweep reads every key, at any nodes that answer, and returns how long that took.
func (l *load) sweep(after string) time.Duration {
	l.cluster.t.Helper()
	begin := time.Now()
	var group sync.WaitGroup
	for r := range readers {
		group.Go(func() {
			c := l.cluster.caller(r%2 == 0, l.seen)
			for i := r * batch; i < len(l.ledger.entries); i += readers * batch {
				l.getBatch(c, l.ledger.entries[i:min(i+batch, len(l.ledger.entries))])
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	l.report()
	l.cluster.logf("%s: every key read within %v", after, took.Round(time.Millisecond))
	return took
}

// batch is how many keys a sweep asks for at once.
const batch = 500

// verify is for a settled ring without a load: every node has every key as it must be,
// by itself, and the ring counts as many as there are.
func (l *load) verify() {
	t := l.cluster.t
	t.Helper()
	for _, p := range l.cluster.alive() {
		alone := &cluster{t: t, begin: l.cluster.begin, doors: []*door{l.cluster.door(p)}}
		one := &load{cluster: alone, seen: newRecord(), ledger: l.ledger}
		one.sweepAlone()
		one.listAll()
		one.report()
		if one.seen.retried > 0 {
			t.Errorf("%s in a settled ring: %v", p.address, one.seen)
		}
	}
	l.wantSums()
	l.wantLists()
	l.wantCounts()
	l.report()
}

// sweepAlone is sweep at one node, which has to answer at once.
func (l *load) sweepAlone() {
	c := l.cluster.caller(false, l.seen)
	for i := 0; i < len(l.ledger.entries); i += batch {
		l.getBatch(c, l.ledger.entries[i:min(i+batch, len(l.ledger.entries))])
	}
}

// listAll checks all entries by one list.
func (l *load) listAll() {
	t := l.cluster.t
	t.Helper()
	entries := l.ledger.entries
	for item, err := range l.cluster.known()[0].mucp.List(t.Context(), "k/") {
		if err != nil {
			t.Error(err)
			return
		}
		for len(entries) > 0 && entries[0].key < item.Key {
			l.check(entries[0].saw(entries[0].look(), nil))
			entries = entries[1:]
		}
		if len(entries) == 0 || entries[0].key != item.Key {
			t.Errorf("list has %q, which nobody wrote, or out of order", item.Key)
			return
		}
		l.check(entries[0].saw(entries[0].look(), &item))
		entries = entries[1:]
	}
	for _, e := range entries {
		l.check(e.saw(e.look(), nil))
	}
}

// items are those of the namespace, as a node lists them.
func (c *cluster) items(p *process) (map[string]uint64, error) {
	all := map[string]uint64{}
	for item, err := range c.door(p).mucp.List(c.t.Context(), "", kvclient.KeysOnly()) {
		if err != nil {
			return nil, err
		}
		all[item.Key] = item.Version
	}
	return all, nil
}

// wantCounts compares what the ring says of its keys and copies with what is there.
func (l *load) wantCounts() {
	t := l.cluster.t
	t.Helper()
	alive := l.cluster.alive()
	items, err := l.cluster.items(alive[0])
	if err != nil {
		t.Fatal(err)
	}
	// What a node says of another one may be of the moment before.
	await(t, "the ring to count its keys", func() string {
		ring, err := l.cluster.view(alive[0])
		if err != nil {
			return err.Error()
		}
		var keys, copies int64
		for _, n := range ring.GetNodes() {
			keys, copies = keys+n.GetKeys(), copies+n.GetCopies()
		}
		each := int64(min(int(ring.GetReplicas()), len(alive)))
		if want := int64(len(items)); keys != want || copies != want*(each-1) {
			return fmt.Sprintf("%d items are listed: %s", len(items), show(ring))
		}
		return ""
	})
}
