package memory

import (
	"cmp"
	"errors"
	"slices"
)

// Restore makes a slot what it is at its owner, who has these copies, as Slot returns
// them, and these requests. An item that is not among the copies is forgotten, and nobody
// is told. What has another version than its copy, be that larger, gets that of the copy;
// feeds are not told: a node that is brought up to date answers for no changes of before.
// Nor are they told any more of what was here alone, and less than store.RequestMemory ago
// or later than its copy. The last known version becomes that of the copies at least.
//
// With bare the copies of items have no values. An item of another version than its copy
// is forgotten then, and so is what was deleted; wanted are the indexes of the copies
// that are not here, in the order of their versions, for Apply, as Old.
//
// With store.ErrFull there was no room for some. The rest is done; called again, Restore
// goes on. Other writers get their turn meanwhile: of this slot there must be none.
func (s *Store) Restore(slot int, copies []Copy, requests []Remembered, bare bool) (wanted []int, err error) {
	order, keep := make([]int, len(copies)), make(map[name]bool, len(copies))
	for i, c := range copies {
		order[i], keep[name{c.Namespace, c.Item.Key}] = i, c.Gone
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(copies[a].Item.Version, copies[b].Item.Version) })
	s.forgetOthers(slot, keep)
	var full error
	for some := range slices.Chunk(order, batch) {
		more, err := s.restoreSome(copies, some, bare)
		wanted = append(wanted, more...)
		full = cmp.Or(full, err)
	}
	if err := errors.Join(full, s.restoreRequests(slot, requests)); err != nil {
		return nil, err
	}
	return wanted, nil
}

// forgetOthers forgets the items and the tombstones of a slot whose names are not among
// those to keep, of which some are to be tombstones.
func (s *Store) forgetOthers(slot int, keep map[name]bool) {
	entries, tombs := s.others(slot, keep)
	for some := range slices.Chunk(entries, batch) {
		s.forgetEntries(some)
	}
	for some := range slices.Chunk(tombs, batch) {
		s.forgetNames(some)
	}
}

// others returns what forgetOthers forgets. An item past its time ends as everywhere.
func (s *Store) others(slot int, keep map[name]bool) (entries []*entry, tombs []name) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	s.table.shards[slot].each(func(e *entry) {
		if _, ok := keep[e.name()]; !ok && !e.rec.Load().expired(now) {
			entries = append(entries, e)
		}
	})
	for d := s.tombs.slots[slot]; d != nil; d = d.behind {
		if gone := keep[d.name]; !gone {
			tombs = append(tombs, d.name)
		}
	}
	return entries, tombs
}

func (s *Store) forgetEntries(some []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := make(undone)
	for _, e := range some {
		if s.table.find(e.name()) != e {
			continue
		}
		if version := e.rec.Load().version; s.young(version) {
			u.add(e.space, e.key, version)
		}
		s.detach(e)
	}
	s.retract(u)
}

func (s *Store) forgetNames(some []name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := make(undone)
	for _, n := range some {
		s.disown(n, u)
	}
	s.retract(u)
}

// disown removes a tombstone that its owner does not have. One that is old may have been
// forgotten there, and counts as forgotten here; another is of a deletion to be undone.
func (s *Store) disown(n name, u undone) {
	d := s.tombs.named[n]
	if d == nil {
		return
	}
	s.dropTombstone(d)
	if s.young(d.version) {
		u.add(s.spaces[n.namespace], n.key, d.version)
	} else {
		s.tombs.forgotten = max(s.tombs.forgotten, d.version)
	}
}

// undoneOf returns what is here and later than some of the copies.
func (s *Store) undoneOf(copies []Copy, some []int) undone {
	u := make(undone)
	for _, i := range some {
		c := copies[i]
		if version := c.Item.Version; s.there(s.placeOf(c)) > version {
			u.add(s.spaces[c.Namespace], c.Item.Key, version+1)
		}
	}
	return u
}

// restoreSome restores some of the copies, in the order of their versions, and returns
// which are wanted.
func (s *Store) restoreSome(copies []Copy, some []int, bare bool) (wanted []int, full error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Advance(copies[some[len(some)-1]].Item.Version) // no earlier, so that feeds find the changes
	s.retract(s.undoneOf(copies, some))
	for _, i := range some {
		c := copies[i]
		at := s.placeOf(Copy{Namespace: c.Namespace, Item: c.Item, Old: true})
		if (at.entry == nil) == c.Gone && s.there(at) == c.Item.Version {
			continue
		}
		if bare && !c.Gone {
			wanted = append(wanted, i)
			if at.entry != nil {
				s.detach(at.entry)
			}
			continue
		}
		full = cmp.Or(full, s.put(at, c))
	}
	return wanted, full
}
