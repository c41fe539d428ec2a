package memory

import (
	"fmt"

	"github.com/micro/platform/kv-srv/internal/store"
)

// sample is how many items the least recently used one is chosen from.
const sample = 16

// limit bounds Store.used; the rest of MaxBytes is the histories'.
func (s *Store) limit() int64 { return s.opts.MaxBytes - s.historyLimit() }

func (s *Store) historyLimit() int64 { return s.opts.MaxBytes / 8 }

// makeRoom frees memory until need more bytes fit, or returns store.ErrFull. It leaves
// the namespace and the item that are being written alone; both may be nil.
func (s *Store) makeRoom(need, now int64, sp *space, e *entry) error {
	if need <= 0 || s.used+need <= s.limit() {
		return nil
	}
	s.forget(now)
	for s.used+need > s.limit() {
		if s.expireNext(now) || s.dropDeserted(sp) {
			continue
		}
		if !s.opts.Evict || !s.evictable(need, e) || !s.evict(e) {
			return fmt.Errorf("%d of %d bytes are in use, %d more are needed: %w", s.used, s.limit(), need, store.ErrFull)
		}
	}
	return nil
}

// evictable says whether evicting all items but keep would make room, so that nothing
// is lost for a write that cannot succeed.
func (s *Store) evictable(need int64, keep *entry) bool {
	free := s.held
	if keep != nil {
		free -= costOfItem(keep.key, keep.rec.Load())
	}
	return s.used-free+need <= s.limit()
}

// evict removes the item of a sample that was used least recently.
func (s *Store) evict(keep *entry) bool {
	var victim *entry
	left := sample
	s.turn++
	for n := 0; n < len(s.table.shards) && left > 0; n++ {
		s.hand = (s.hand + 1) % len(s.table.shards)
		s.table.shards[s.hand].from(s.turn, func(e *entry) bool {
			if e != keep {
				left--
				if victim == nil || e.seen.Load() < victim.seen.Load() {
					victim = e
				}
			}
			return left > 0
		})
	}
	if victim == nil {
		return false
	}
	s.evicted.Add(1)
	if s.opts.Slots > 0 { // an older copy elsewhere is nothing to go by any more
		s.tombs.forgotten = max(s.tombs.forgotten, victim.rec.Load().version)
	}
	s.remove(victim, store.Evicted)
	return true
}
