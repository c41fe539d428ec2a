package catalog

import (
	"errors"
	"time"
)

// ErrFull is the answer to what finds no room.
var ErrFull = errors.New("the catalog is full")

// fullAgain is how long who was told that there is no room is not told again.
const fullAgain = time.Minute

// refused counts an instance that has found no room, and tells of it unless that was done a
// moment ago.
func (c *Catalog) refused(id ID) {
	now := c.opts.Now()
	c.mu.Lock()
	c.full++
	c.fullAt = now
	tell := c.opts.Full != nil && (c.toldFull.IsZero() || now.Sub(c.toldFull) >= fullAgain)
	if tell {
		c.toldFull = now
	}
	c.mu.Unlock()
	if tell {
		c.opts.Full(id)
	}
}
