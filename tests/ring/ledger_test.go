package ring_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

// A ledger knows what each of some keys may hold. Each key has one writer at a time and
// any number of readers.
type ledger struct {
	entries []*entry
}

func newLedger(keys int) *ledger {
	l := &ledger{entries: make([]*entry, keys)}
	for i := range l.entries {
		l.entries[i] = &entry{key: fmt.Sprintf("k/%06d", i), versions: map[int]uint64{}, open: map[int]bool{}}
	}
	return l
}

// An entry is a key. Its n-th write is of a value that says so.
type entry struct {
	key string

	mu       sync.Mutex
	last     uint64         // the largest version that anybody knows of
	floor    uint64         // the least one that a later read may see
	there    bool           // the last acknowledged write left an item
	deleting bool           // a delete was begun and not acknowledged
	deletes  int            // that were begun
	writes   int            // that were begun
	versions map[int]uint64 // of the writes that were acknowledged
	open     map[int]bool   // writes that may be done now or later: begun, or without an answer
}

// A writing is a write under way.
type writing struct {
	entry *entry
	n     int
	value []byte
	ttl   time.Duration
	after uint64 // version that was known when it began
}

func (e *entry) begin() writing {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writes++
	e.open[e.writes] = true
	return writing{e, e.writes, fmt.Appendf(nil, "%s#%d", e.key, e.writes), ttl(e.writes), e.last}
}

// ttl is what the n-th write of a key has.
func ttl(n int) time.Duration {
	if n%4 == 0 {
		return time.Hour
	}
	return 0
}

// done is the answer to a write. Once tells that it can be done no second time: what a
// node took and did not answer may else be done at any time later.
func (w writing) done(version uint64, once bool) error {
	e := w.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if once {
		delete(e.open, w.n)
	}
	e.versions[w.n], e.there = version, true
	e.last, e.floor = max(e.last, version), max(e.floor, version)
	if version <= w.after {
		return fmt.Errorf("%s: write %d got version %d, after %d", e.key, w.n, version, w.after)
	}
	return nil
}

// beginDelete tells whether there is an item for sure.
func (e *entry) beginDelete() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deletes++
	e.deleting = true
	return e.there
}

func (e *entry) deleted() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deleting, e.there = false, false
	e.floor = max(e.floor, e.last+1) // what was deleted does not come back
}

// A glimpse is what was certain when a read began.
type glimpse struct {
	floor   uint64
	there   bool
	deletes int
}

func (e *entry) look() glimpse {
	e.mu.Lock()
	defer e.mu.Unlock()
	return glimpse{floor: e.floor, there: e.there && !e.deleting, deletes: e.deletes}
}

// saw checks what a read returned that began with g; nil is no item.
func (e *entry) saw(g glimpse, item *kvclient.Item) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if item == nil {
		if g.there && e.deletes == g.deletes {
			return fmt.Errorf("%s is lost: want %s", e.key, e.want())
		}
		return nil
	}
	var key string
	var n int
	if _, err := fmt.Sscanf(string(item.Value), "k/%6s#%d", &key, &n); err != nil || item.Key != e.key || "k/"+key != e.key {
		return fmt.Errorf("%s holds %q of %q", e.key, item.Value, item.Key)
	}
	left := time.Until(item.Expires)
	switch {
	case item.Version < g.floor:
		return fmt.Errorf("%s went back: write %d of version %d, want %d or later: %s", e.key, n, item.Version, g.floor, e.want())
	case e.versions[n] != item.Version && !e.open[n]:
		return fmt.Errorf("%s has write %d of version %d, which was acknowledged with %d, want %s", e.key, n, item.Version, e.versions[n], e.want())
	case item.Expires.IsZero() != (ttl(n) == 0), !item.Expires.IsZero() && (left <= 0 || left > ttl(n)):
		return fmt.Errorf("%s ends at %v, want %v after write %d", e.key, item.Expires, ttl(n), n)
	}
	e.last, e.floor = max(e.last, item.Version), max(e.floor, item.Version)
	return nil
}

// want is for people.
func (e *entry) want() string {
	if !e.there {
		return fmt.Sprintf("none after %d writes, %d deletes", e.writes, e.deletes)
	}
	last := 0
	for n := range e.versions {
		last = max(last, n)
	}
	return fmt.Sprintf("write %d of version %d; %d of %d without an answer", last, e.versions[last], len(e.open), e.writes)
}
