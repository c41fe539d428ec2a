package memory

import "slices"

// audience finds the watchers of a key by its prefixes, so that a watcher costs the
// writers of other keys nothing. It changes under history.mu.
type audience struct {
	watchers map[string]map[*watcher]struct{} // by prefix
	lengths  []length                         // of the prefixes
}

type length struct{ bytes, prefixes int }

// wake tells the watchers of a key that there is a change to read.
func (a *audience) wake(c change) {
	for _, l := range a.lengths {
		if l.bytes > len(c.key) {
			continue
		}
		for w := range a.watchers[c.key[:l.bytes]] {
			if !w.behind {
				w.position, w.behind = c.version-1, true
			}
			w.signal()
		}
	}
}

func (a *audience) add(w *watcher) {
	if a.watchers == nil {
		a.watchers = make(map[string]map[*watcher]struct{})
	}
	group := a.watchers[w.prefix]
	if group == nil {
		group = make(map[*watcher]struct{})
		a.watchers[w.prefix] = group
		a.count(len(w.prefix), 1)
	}
	group[w] = struct{}{}
}

func (a *audience) remove(w *watcher) {
	group := a.watchers[w.prefix]
	delete(group, w)
	if len(group) == 0 {
		delete(a.watchers, w.prefix)
		a.count(len(w.prefix), -1)
	}
}

func (a *audience) count(bytes, prefixes int) {
	i := slices.IndexFunc(a.lengths, func(l length) bool { return l.bytes == bytes })
	if i < 0 {
		a.lengths = append(a.lengths, length{bytes: bytes})
		i = len(a.lengths) - 1
	}
	if a.lengths[i].prefixes += prefixes; a.lengths[i].prefixes == 0 {
		a.lengths = slices.Delete(a.lengths, i, i+1)
	}
}
