package near

import "time"

// Fetch is a question to the service, whose answer may be kept.
type Fetch struct {
	cache *Cache
	key   string
	since time.Time
	of    *pending // nil: the answer is not kept
}

// Fetch must be called before the service is asked. The caller calls one of Done,
// Missing and Failed.
func (c *Cache) Fetch(key string) Fetch {
	f := Fetch{cache: c, key: key, since: time.Now()}
	if c == nil {
		return f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.live.Load() { // a change might be missed between this answer and the watch
		return f
	}
	if f.of = c.pending[key]; f.of == nil {
		f.of = &pending{}
		c.pending[key] = f.of
	}
	f.of.fetches++
	return f
}

// Done keeps a copy of the item that the service has answered, unless the key was changed,
// or may have been, since it was asked.
func (f Fetch) Done(i Item) {
	if f.cache == nil {
		return
	}
	c := f.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told(f.key, i.Version)
	if f.end() && i.Version >= f.of.seen {
		c.items.Set(f.key, newEntry(i, f.since))
	}
}

// Missing says that the service has no item: older answers that are under way are not kept.
func (f Fetch) Missing() {
	f.Failed()
	f.cache.Drop(f.key)
}

// Failed says that there is no answer to keep.
func (f Fetch) Failed() {
	if f.cache == nil {
		return
	}
	f.cache.mu.Lock()
	defer f.cache.mu.Unlock()
	f.end()
}

// end returns whether the key was neither dropped nor unwatched since Fetch.
func (f Fetch) end() bool {
	if f.of == nil {
		return false
	}
	c := f.cache
	current := c.pending[f.key] == f.of
	if f.of.fetches--; current && f.of.fetches == 0 {
		delete(c.pending, f.key)
	}
	return current
}
