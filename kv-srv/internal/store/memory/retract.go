package memory

import (
	"sort"

	"github.com/micro/platform/kv-srv/internal/store"
)

// undone are changes that only this node knew of: by namespace and key, those of a version
// and later ones. Their writes were never answered.
type undone map[*space]map[string]uint64

func (u undone) add(sp *space, key string, from uint64) {
	if sp == nil {
		return
	}
	if u[sp] == nil {
		u[sp] = make(map[string]uint64)
	}
	u[sp][key] = from
}

// young tells whether a version is of a time of which its owner has forgotten no deletion
// for its age.
func (s *Store) young(version uint64) bool {
	return version > versionAt(s.opts.Now().Add(-store.RequestMemory))
}

// retract takes changes out of the histories, so that no feed emits them.
func (s *Store) retract(u undone) {
	for sp, keys := range u {
		s.logged -= sp.history.retract(keys)
	}
}

// retract removes the changes of some keys, each from a version on, and returns how many
// bytes that frees.
func (h *history) retract(keys map[string]uint64) (freed int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := ^uint64(0)
	for _, from := range keys {
		first = min(first, from)
	}
	i := sort.Search(h.n, func(i int) bool { return h.at(i).version >= first })
	kept := i
	for ; i < h.n; i++ {
		c := h.at(i)
		if from, ok := keys[c.key]; ok && c.version >= from {
			freed += c.cost
			continue
		}
		*h.at(kept) = *c
		kept++
	}
	for i := kept; i < h.n; i++ {
		*h.at(i) = change{}
	}
	h.n = kept
	h.bytes -= freed
	return freed
}
