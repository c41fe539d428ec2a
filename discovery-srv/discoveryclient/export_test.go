package discoveryclient

import "time"

// SetSilence has watches of c wait for a message so long, and not 20 seconds.
func (c *Client) SetSilence(d time.Duration) { c.silence = d }
