package ring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

const (
	writers   = 4
	readers   = 4
	counters  = 2
	appenders = 2
	pace      = 3 * time.Millisecond // of each of them, where the machine keeps up
)

// A load is callers that write, read, count and append at once, and check every answer.
type load struct {
	cluster *cluster
	seen    *record
	ledger  *ledger
	sums    *sums
	lists   *lists

	end  chan struct{}
	done sync.WaitGroup
}

// load fills a ring with keys. The callers begin with start.
func (c *cluster) load(keys int) *load {
	c.t.Helper()
	l := &load{cluster: c, seen: newRecord(), ledger: newLedger(keys), sums: newSums(), lists: newLists()}
	begin := time.Now()
	l.fill()
	c.logf("%d keys: written within %v", keys, time.Since(begin).Round(time.Millisecond))
	return l
}

// fill writes every key once.
func (l *load) fill() {
	l.cluster.t.Helper()
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			caller := l.cluster.caller(w%2 == 0, l.seen)
			part := len(l.ledger.entries) / writers
			entries := l.ledger.entries[w*part : (w+1)*part]
			if w == writers-1 {
				entries = l.ledger.entries[w*part:]
			}
			for len(entries) > 0 {
				n := min(100, len(entries)) // one after the other, within an attempt
				l.putBatch(caller, entries[:n])
				entries = entries[n:]
			}
		})
	}
	group.Wait()
	l.report()
}

// start lets the callers begin, each over both protocols in turn.
func (l *load) start() {
	l.end = make(chan struct{})
	for _, kind := range []struct {
		callers int
		call    func(c *caller, i int)
	}{{writers, l.write}, {readers, l.read}, {counters, l.count}, {appenders, l.add}} {
		for i := range kind.callers {
			l.done.Go(func() { l.repeat(i, kind.call) })
		}
	}
}

// stop ends them, and waits until all are answered.
func (l *load) stop() {
	l.cluster.t.Helper()
	close(l.end)
	l.done.Wait()
	l.report()
	l.cluster.logf("load: %v", l.seen)
}

// report fails the test with what was wrong so far.
func (l *load) report() {
	l.cluster.t.Helper()
	l.seen.mu.Lock()
	defer l.seen.mu.Unlock()
	for _, p := range l.seen.problems {
		l.cluster.t.Error(p)
	}
	if l.seen.more > 0 {
		l.cluster.t.Errorf("and %d more", l.seen.more)
	}
	l.seen.problems, l.seen.more = nil, 0
}

// repeat lets a caller call until the end.
func (l *load) repeat(i int, call func(*caller, int)) {
	c := l.cluster.caller(i%2 == 0, l.seen)
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-l.end:
			return
		case <-ticker.C:
			call(c, i)
		}
	}
}

func (l *load) check(err error) {
	if err != nil {
		l.seen.problem("%v", err)
	}
}

// some is an entry of a writer.
func (l *load) some(writer int) *entry {
	n := len(l.ledger.entries) / writers
	return l.ledger.entries[writer+writers*mathrand.IntN(n)]
}

func (l *load) write(c *caller, writer int) {
	e := l.some(writer)
	switch n := mathrand.IntN(20); {
	case n < 8:
		l.put(c, e)
	case n < 15:
		l.put(c, e, kvclient.RequestID(rand.Text()))
	case n < 18:
		l.remove(c, e)
	default:
		batch := map[*entry]bool{}
		for range 10 {
			batch[l.some(writer)] = true
		}
		var entries []*entry
		for e := range batch {
			entries = append(entries, e)
		}
		l.putBatch(c, entries)
	}
}

// put writes with or without a request ID.
func (l *load) put(c *caller, e *entry, id ...kvclient.PutOption) {
	w := e.begin()
	var version uint64
	tries, err := c.do("put", func(ctx context.Context, kv *kvclient.Client) (err error) {
		version, err = kv.Put(ctx, e.key, w.value, append(id, kvclient.TTL(w.ttl))...)
		return err
	})
	if err == nil {
		l.check(w.done(version, tries == 1 || len(id) > 0))
		return
	}
	if answered(err) {
		l.seen.problem("put %s: %v", e.key, err)
	}
}

func (l *load) remove(c *caller, e *entry) {
	there := e.beginDelete()
	id := kvclient.RequestID(rand.Text())
	_, err := c.do("delete", func(ctx context.Context, kv *kvclient.Client) error { return kv.Delete(ctx, e.key, id) })
	if there && errors.Is(err, kvclient.ErrNotFound) {
		l.seen.problem("delete %s: %v", e.key, err)
	}
	if err == nil || errors.Is(err, kvclient.ErrNotFound) {
		e.deleted()
	}
}

// putBatch writes some entries. Those that fail are written once more, as with put.
func (l *load) putBatch(c *caller, entries []*entry) {
	var left []writing
	for _, e := range entries {
		left = append(left, e.begin())
	}
	first := true
	_, _ = c.do("batch put", func(ctx context.Context, kv *kvclient.Client) (err error) {
		once := first
		first = false
		left, err = l.putSome(ctx, kv, left, once)
		return err
	})
}

// putSome returns the writes that failed, and why one of them did.
func (l *load) putSome(ctx context.Context, kv *kvclient.Client, all []writing, once bool) ([]writing, error) {
	var batch []kvclient.Write
	for _, w := range all {
		batch = append(batch, kvclient.Write{Key: w.entry.key, Value: w.value, TTL: w.ttl})
	}
	results, err := kv.BatchPut(ctx, batch)
	if err != nil {
		return all, err
	}
	var failed []writing
	for i, r := range results {
		if r.Err != nil {
			failed, err = append(failed, all[i]), r.Err
			continue
		}
		l.check(all[i].done(r.Version, once))
	}
	return failed, err
}

func (l *load) read(c *caller, _ int) {
	i := mathrand.IntN(len(l.ledger.entries))
	switch n := mathrand.IntN(20); {
	case n < 14:
		l.get(c, l.ledger.entries[i])
	case n < 19:
		l.getBatch(c, l.ledger.entries[i:min(i+20, len(l.ledger.entries))])
	default:
		i -= i % 100
		l.list(c, l.ledger.entries[i:min(i+100, len(l.ledger.entries))])
	}
}

func (l *load) get(c *caller, e *entry) {
	g := e.look()
	var item kvclient.Item
	_, err := c.do("get", func(ctx context.Context, kv *kvclient.Client) (err error) {
		item, err = kv.Get(ctx, e.key)
		return err
	})
	switch {
	case err == nil:
		l.check(e.saw(g, &item))
	case errors.Is(err, kvclient.ErrNotFound):
		l.check(e.saw(g, nil))
	}
}

// getBatch checks entries by one BatchGet, and tells whether it was answered.
func (l *load) getBatch(c *caller, entries []*entry) bool {
	var glimpses []glimpse
	var keys []string
	for _, e := range entries {
		glimpses, keys = append(glimpses, e.look()), append(keys, e.key)
	}
	var results []kvclient.GetResult
	_, err := c.do("batch get", func(ctx context.Context, kv *kvclient.Client) (err error) {
		results, err = kv.BatchGet(ctx, keys...)
		for _, r := range results {
			if !answered(r.Err) {
				return r.Err
			}
		}
		return err
	})
	if err != nil {
		return false
	}
	for i, r := range results {
		if r.Err != nil {
			l.check(entries[i].saw(glimpses[i], nil))
		} else {
			l.check(entries[i].saw(glimpses[i], &r.Item))
		}
	}
	return true
}

// list checks entries whose keys differ in the last two digits alone, and are all of those.
func (l *load) list(c *caller, entries []*entry) {
	var glimpses []glimpse
	for _, e := range entries {
		glimpses = append(glimpses, e.look())
	}
	prefix := entries[0].key[:len(entries[0].key)-2]
	var items []kvclient.Item
	_, err := c.do("list", func(ctx context.Context, kv *kvclient.Client) error {
		items = nil
		for item, err := range kv.List(ctx, prefix) {
			if err != nil {
				return err
			}
			items = append(items, item)
		}
		return nil
	})
	if err != nil {
		return
	}
	for i, e := range entries {
		if len(items) == 0 || items[0].Key != e.key {
			l.check(e.saw(glimpses[i], nil))
			continue
		}
		l.check(e.saw(glimpses[i], &items[0]))
		items = items[1:]
	}
	if len(items) > 0 {
		l.check(fmt.Errorf("list %q has %q, out of order", prefix, items[0].Key))
	}
}
