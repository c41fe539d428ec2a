package watching

import "slices"

// audience finds the watchers of a key by its prefixes, so that a watcher costs the
// writers of other keys nothing.
type audience struct {
	watchers map[string]map[*Watcher]struct{} // by prefix
	lengths  []length                         // of the prefixes
}

type length struct{ bytes, prefixes int }

// wake tells the watchers of a key that there is a change to read.
func (a *audience) wake(key string, version uint64) {
	for _, l := range a.lengths {
		if l.bytes > len(key) {
			continue
		}
		for w := range a.watchers[key[:l.bytes]] {
			if !w.Behind {
				w.Position, w.Behind = version-1, true
			}
			w.Signal()
		}
	}
}

func (a *audience) add(w *Watcher) {
	if a.watchers == nil {
		a.watchers = make(map[string]map[*Watcher]struct{})
	}
	group := a.watchers[w.prefix]
	if group == nil {
		group = make(map[*Watcher]struct{})
		a.watchers[w.prefix] = group
		a.count(len(w.prefix), 1)
	}
	group[w] = struct{}{}
}

func (a *audience) remove(w *Watcher) {
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
