package disk

import (
	"hash/maphash"
	"slices"
)

// What a store remembers of its items: 8 MiB of heads at most, in all stripes. A start
// reads them where it has no more than that many items, and bytes, to read.
const (
	stripeHeads = 64
	startItems  = stripes * stripeHeads / 2
	startBytes  = 64 << 20
)

// identity is two hashes of a key and its namespace, under seeds that nobody knows. No
// two keys share one.
type identity [2]uint64

func (s *Store) identity(namespace, key string) identity {
	n := name{namespace, key}
	return identity{maphash.Comparable(s.seeds[0], n), maphash.Comparable(s.seeds[1], n)}
}

// head is what most writes need to know of the item that they replace.
type head struct {
	id      identity
	version uint64 // 0: there is no item
	bytes   int64  // see record.size; mustRead: only the item tells
}

const mustRead = -1

// heads are those of items of a stripe, the ones that were written last. They spare
// writes a look into the files. The stripe is locked.
type heads struct {
	known []head
	more  bool // there may be other items
	hand  int  // what is replaced next
}

func (h *heads) index(id identity) int {
	return slices.IndexFunc(h.known, func(k head) bool { return k.id == id })
}

// find returns the head of a key; ok is false where the files must tell.
func (h *heads) find(id identity) (found head, ok bool) {
	if i := h.index(id); i >= 0 {
		return h.known[i], h.known[i].bytes != mustRead
	}
	return head{}, !h.more
}

// set notes what a key has now.
func (h *heads) set(id identity, r *record, bytes int64) {
	i := h.index(id)
	if r == nil {
		if last := len(h.known) - 1; i >= 0 {
			h.known[i] = h.known[last]
			h.known = h.known[:last]
		}
		return
	}
	if r.expires != 0 {
		bytes = mustRead
	}
	k := head{id: id, version: r.version, bytes: bytes}
	switch {
	case i >= 0:
		h.known[i] = k
	case len(h.known) < stripeHeads:
		h.known = append(h.known, k)
	default:
		h.known[h.hand] = k
		h.hand, h.more = (h.hand+1)%stripeHeads, true
	}
}

// loadHeads reads the heads of a store that is not large.
func (s *Store) loadHeads() error {
	bytes := int64(0)
	for _, t := range s.queue.tallies {
		bytes += t.bytes
	}
	if s.queue.items > startItems || bytes > startBytes {
		for i := range s.stripes {
			s.stripes[i].heads.more = true
		}
		return nil
	}
	return s.scan([]byte{tagItem}, func(key, value []byte) error {
		namespace, name, ok := itemOf(key)
		r := reader{b: value}
		if rec := r.record(false); ok && r.err == nil {
			id := s.identity(namespace, name)
			s.stripes[id[0]%stripes].heads.set(id, rec, rec.size(name))
			return nil
		}
		return errRecord
	})
}
