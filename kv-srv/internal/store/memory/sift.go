package memory

import "github.com/micro/platform/kv-srv/internal/store"

// sift moves the last change to its place in the order of versions, in a store with
// Slots. If the key ended after it, by time or for lack of room, that was while the
// change was under way: the key did not end, and that change goes.
func (h *history) sift() {
	c := *h.at(h.n - 1)
	i := h.n - 1
	for ; i > 0 && h.at(i-1).version > c.version; i-- {
		*h.at(i) = *h.at(i - 1)
	}
	*h.at(i) = c
	for j := i - 1; j >= 0 && h.at(j).version == c.version; j-- {
		if h.at(j).key == c.key { // it was here before
			h.dropAt(i)
			return
		}
	}
	for j := i + 1; j < h.n; j++ {
		if next := h.at(j); next.key == c.key {
			if k := store.Kind(next.kind); k == store.Expired || k == store.Evicted {
				h.dropAt(j)
			}
			return
		}
	}
}

func (h *history) dropAt(i int) {
	h.bytes -= h.at(i).cost
	for ; i < h.n-1; i++ {
		*h.at(i) = *h.at(i + 1)
	}
	*h.at(h.n - 1) = change{}
	h.n--
}
