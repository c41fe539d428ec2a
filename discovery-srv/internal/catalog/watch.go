package catalog

import (
	"slices"
	"sync"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Scope is what a watch is about: some services, or all of a namespace, or all.
type Scope struct {
	Names     []Name
	Namespace string // all of it, if there are no Names; "": of all
}

// scopes are the watches by what they are about.
type scopes map[Name]map[*Watch]struct{} // without Service: of a namespace, or of all

func (s Scope) keys() []Name {
	if len(s.Names) > 0 {
		return s.Names
	}
	return []Name{{Namespace: s.Namespace}}
}

func (m scopes) add(w *Watch) {
	for _, k := range w.scope.keys() {
		if m[k] == nil {
			m[k] = map[*Watch]struct{}{}
		}
		m[k][w] = struct{}{}
	}
}

func (m scopes) remove(w *Watch) {
	for _, k := range w.scope.keys() {
		delete(m[k], w)
		if len(m[k]) == 0 {
			delete(m, k)
		}
	}
}

// changed tells those that a service is about, and nobody else.
func (m scopes) changed(n Name) {
	for _, k := range []Name{n, {Namespace: n.Namespace}, {}} {
		for w := range m[k] {
			w.mark(n)
		}
	}
}

// Watch follows a catalog. It keeps what it has told last, and which services have changed
// since: so it takes no more memory, however slow its reader is.
type Watch struct {
	catalog *Catalog
	scope   Scope
	bell    chan struct{}

	told  uint64 // changes up to it were; Next's
	whole bool   // a snapshot is due; Next's

	mu    sync.Mutex
	dirty map[Name]struct{}
	lost  bool // there were too many: all may have changed
}

// maxDirty is how many services may have changed before all are told anew.
const maxDirty = 10_000

// Update is what has changed.
type Update struct {
	// Snapshot: the changes are all that there is, and not what there was before.
	Snapshot bool
	Index    uint64
	Changes  []*discoverypb.ServiceChange
}

// Watch follows what scope says, from an index on if the catalog knows all changes since,
// else from a snapshot. Close ends it.
func (c *Catalog) Watch(scope Scope, from uint64) *Watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &Watch{catalog: c, scope: scope, bell: make(chan struct{}, 1), told: from, dirty: map[Name]struct{}{}}
	c.watches.add(w)
	c.watching++
	w.whole = from < c.base || from > c.index
	if !w.whole {
		c.within(scope, func(s *service) {
			if s.index > from {
				w.dirty[s.name] = struct{}{}
			}
		})
	}
	w.ring()
	return w
}

// within calls yield with the services of a scope that are known, those without instances
// included.
func (c *Catalog) within(scope Scope, yield func(*service)) {
	if len(scope.Names) > 0 {
		for _, n := range scope.Names {
			if s := c.services[n]; s != nil {
				yield(s)
			}
		}
		return
	}
	for n, s := range c.services {
		if scope.Namespace == "" || n.Namespace == scope.Namespace {
			yield(s)
		}
	}
}

// Close ends the watch. It is called once.
func (w *Watch) Close() {
	w.catalog.mu.Lock()
	defer w.catalog.mu.Unlock()
	w.catalog.watches.remove(w)
	w.catalog.watching--
}

func (w *Watch) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *Watch) mark(n Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.dirty[n]; ok || w.lost {
		return
	}
	w.dirty[n] = struct{}{}
	if len(w.dirty) > maxDirty {
		w.dirty, w.lost = map[Name]struct{}{}, true
	}
	w.ring()
}

// take returns which services have changed, or that any may have.
func (w *Watch) take() (dirty map[Name]struct{}, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dirty, lost = w.dirty, w.lost
	w.lost = false
	if len(dirty) > 0 {
		w.dirty = map[Name]struct{}{}
	}
	return dirty, lost
}

// Bell rings when Next has something to tell. The first time it rings at once.
func (w *Watch) Bell() <-chan struct{} { return w.bell }

// Next returns what has changed since the Update before, maybe nothing.
func (w *Watch) Next() Update {
	c := w.catalog
	c.mu.RLock() // nothing changes between what is taken and the index
	defer c.mu.RUnlock()
	u := Update{Index: c.index}
	dirty, lost := w.take()
	w.whole = w.whole || lost
	for n := range dirty {
		// What was dropped, or has forgotten some of it, is told with everything else.
		if s := c.services[n]; s == nil || s.floor > w.told {
			w.whole = true
			break
		} else if change := s.since(w.told); change != nil {
			u.Changes = append(u.Changes, change)
		}
	}
	if w.whole {
		w.whole = false
		u.Snapshot, u.Changes = true, nil
		c.within(w.scope, func(s *service) {
			if s.len() > 0 {
				u.Changes = append(u.Changes, s.whole())
			}
		})
	}
	w.told = c.index
	slices.SortFunc(u.Changes, func(a, b *discoverypb.ServiceChange) int {
		if (Name{a.GetNamespace(), a.GetService()}).Before(Name{b.GetNamespace(), b.GetService()}) {
			return -1
		}
		return 1
	})
	return u
}
