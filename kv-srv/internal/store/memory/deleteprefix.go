package memory

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
)

// batch is how many items are removed before other writers get their turn.
const batch = 256

// DeletePrefix implements store.Store.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	deleted, after := 0, ""
	for {
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		n, last := s.deleteSome(namespace, prefix, after)
		deleted += n
		if last == "" {
			return deleted, nil
		}
		after = last
	}
}

// deleteSome deletes a batch of items after a key, and returns how many and the last
// key of the batch, "" if there is no other.
func (s *Store) deleteSome(namespace, prefix, after string) (deleted int, last string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[namespace]
	if sp == nil {
		return 0, ""
	}
	var found []*entry
	sp.ascend(prefix, after, func(e *entry) bool {
		found = append(found, e)
		return len(found) < batch
	})
	now := s.now()
	for _, e := range found {
		if e.rec.Load().expired(now) {
			s.expire(e)
			continue
		}
		s.remove(e, store.Deleted)
		deleted++
	}
	if len(found) < batch {
		return deleted, ""
	}
	return deleted, found[batch-1].key
}
