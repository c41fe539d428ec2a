package memory

import "github.com/micro/platform/kv-srv/internal/store"

// Slot returns the items of a slot that are not past their time, and its tombstones, all
// of one moment and in no order. Their values are shared.
func (s *Store) Slot(slot int) []Copy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now, sh := s.now(), &s.table.shards[slot]
	copies := make([]Copy, 0, sh.len())
	sh.each(func(e *entry) {
		if rec := e.rec.Load(); !rec.expired(now) {
			copies = append(copies, Copy{Namespace: e.space.name, Item: rec.item(e.key)})
		}
	})
	for d := s.tombs.slots[slot]; d != nil; d = d.behind {
		item := store.Item{Key: d.name.key, Version: d.version}
		copies = append(copies, Copy{Namespace: d.name.namespace, Item: item, Gone: true})
	}
	return copies
}

// SlotItems returns the number of items in a slot, with those that are expired and not
// removed yet.
func (s *Store) SlotItems(slot int) int {
	return s.table.shards[slot].len()
}

// Digest returns a sum over the names and versions of the items of a slot that are not
// past their time and of its deletions of the last store.RequestMemory, and over its
// remembered requests and their answers. It is the same on all nodes that have the same
// ones, and but for one case in 2^64 only there; 0 if there are none. Nodes forget at
// slightly different times, and may differ for that long.
func (s *Store) Digest(slot int) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now, sum := s.now(), uint64(0)
	s.table.shards[slot].each(func(e *entry) {
		if rec := e.rec.Load(); !rec.expired(now) {
			sum += mix(s.table.hash(e.name()) ^ mix(rec.version))
		}
	})
	for d := s.tombs.slots[slot]; d != nil; d = d.behind {
		if s.young(d.version) {
			sum += mix(s.table.hash(d.name) ^ mix(^d.version)) // ^: no item has such a version
		}
	}
	for _, g := range s.requests.live(now) {
		sum += g.slots[slot].digest
	}
	return sum
}

// mix spreads the bits of a number: the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Clear forgets the items of a slot, but not its tombstones. Nobody is told. Other writers
// get their turn meanwhile; what they add may stay.
func (s *Store) Clear(slot int) {
	for s.clearSome(slot) == batch {
	}
}

func (s *Store) clearSome(slot int) (cleared int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.table.shards[slot].some(batch)
	for _, e := range found {
		s.detach(e)
	}
	return len(found)
}
