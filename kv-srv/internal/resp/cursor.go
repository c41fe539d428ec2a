package resp

import "sync"

// maxCursors is how many lists can be gone on with. What each takes is in the order of a
// kilobyte or two.
const maxCursors = 4096

// maxCursor is the largest number that every client can keep: some have floating point.
const maxCursor = 1<<53 - 1

// place is where a list goes on. Who asks with another namespace or pattern asks for
// another list.
type place struct{ namespace, prefix, token string }

// cursors gives numbers to places, since SCAN has a number where List has a token: all
// connections share them, for a client with several may go on over another. The oldest
// numbers are forgotten.
type cursors struct {
	random func() uint64

	mu     sync.Mutex
	places map[uint64]place
	order  []uint64 // a ring of all numbers
	oldest int      // in order
}

func newCursors(random func() uint64) *cursors {
	return &cursors{random: random, places: map[uint64]place{}}
}

// add returns a number above 0 that nobody has.
func (c *cursors) add(p place) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uint64(0)
	for taken := true; taken; {
		n = c.random()%maxCursor + 1
		_, taken = c.places[n]
	}
	if len(c.order) < maxCursors {
		c.order = append(c.order, n)
	} else {
		delete(c.places, c.order[c.oldest])
		c.order[c.oldest] = n
		c.oldest = (c.oldest + 1) % maxCursors
	}
	c.places[n] = p
	return n
}

// token returns where the list of a number goes on, if that is known and in such a place.
func (c *cursors) token(n uint64, namespace, prefix string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.places[n]
	return p.token, ok && p.namespace == namespace && p.prefix == prefix
}
