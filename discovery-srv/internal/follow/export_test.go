package follow

import "time"

// SetAgain is for before Run.
func (f *Follower) SetAgain(d time.Duration) { f.again = d }
