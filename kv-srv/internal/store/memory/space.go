package memory

import (
	"strings"

	"github.com/google/btree"

	"github.com/micro/platform/kv-srv/internal/store"
)

// space is one namespace. It changes under Store.mu, its history under its own lock.
type space struct {
	name      string
	keys      *btree.BTreeG[*entry] // ordered by the bytes of the keys
	bytes     int64                 // of its items, as quotas count them
	inhabited bool                  // it is in Store.inhabited
	history   history
}

const treeDegree = 32

// addSpace makes a namespace, for which there is room.
func (s *Store) addSpace(namespace string) *space {
	sp := &space{name: strings.Clone(namespace)}
	sp.keys = btree.NewWithFreeListG(treeDegree, func(a, b *entry) bool { return a.key < b.key }, s.nodes)
	sp.history.log.Floor, sp.history.log.Last = s.floor, s.floor
	s.spaces[sp.name] = sp
	s.used += costOfSpace(sp.name)
	return sp
}

// settle notes whether a namespace has items, and whether it may be dropped when room is
// needed. A change of its items or watchers ends with it.
func (s *Store) settle(sp *space) {
	if has := sp.keys.Len() > 0; has != sp.inhabited {
		sp.inhabited = has
		if has {
			s.inhabited.ReplaceOrInsert(sp)
		} else {
			s.inhabited.Delete(sp)
		}
	}
	if sp.keys.Len() == 0 && !sp.history.watched() {
		s.deserted[sp] = struct{}{}
	} else {
		delete(s.deserted, sp)
	}
}

// dropDeserted drops one namespace other than keep. Its history goes with it, so who
// watches it from before then is told that it missed something.
func (s *Store) dropDeserted(keep *space) bool {
	for sp := range s.deserted {
		if sp == keep {
			continue
		}
		delete(s.deserted, sp)
		delete(s.spaces, sp.name)
		s.used -= costOfSpace(sp.name)
		s.logged -= sp.history.bytes
		s.floor = max(s.floor, sp.history.log.Last)
		return true
	}
	return false
}

// ascend calls yield with the entries under prefix whose keys are after a key, in
// order, until it returns false.
func (sp *space) ascend(prefix, after string, yield func(*entry) bool) {
	from := &entry{key: prefix}
	if after >= prefix {
		from.key = after
	}
	sp.keys.AscendGreaterOrEqual(from, func(e *entry) bool {
		if !strings.HasPrefix(e.key, prefix) {
			return false
		}
		return e.key == after || yield(e)
	})
}

// add makes the place of a key that is not there, and its namespace if need be, for
// which there is room.
func (s *Store) add(namespace, key string, rec *record) *entry {
	sp := s.spaces[namespace]
	if sp == nil {
		sp = s.addSpace(namespace)
	}
	e := &entry{space: sp, key: strings.Clone(key), due: -1}
	e.rec.Store(rec)
	sp.keys.ReplaceOrInsert(e)
	s.table.add(e)
	s.items++
	s.settle(sp)
	return e
}

// remove ends an item and says why.
func (s *Store) remove(e *entry, why store.Kind) {
	version := s.allocate()
	defer s.settleVersion(version)
	s.removeAt(e, why, version)
}

func (s *Store) removeAt(e *entry, why store.Kind, version uint64) {
	s.detach(e)
	s.log(e.space, change{kind: narrow(why), slot: e.slot, version: version, key: e.key})
	if why == store.Deleted && s.opts.Slots > 0 {
		s.bury(e.name(), version, s.now())
	}
}

// detach takes an item away, of which nobody is told.
func (s *Store) detach(e *entry) {
	s.expiries.set(e, 0)
	s.charge(-costOfItem(e.key, e.rec.Load()))
	e.space.bytes -= e.rec.Load().size(e.key)
	s.table.remove(e)
	e.space.keys.Delete(e)
	s.items--
	s.settle(e.space)
}

// charge counts bytes of items.
func (s *Store) charge(bytes int64) {
	s.held += bytes
	s.used += bytes
}
