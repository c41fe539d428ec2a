package catalog

import (
	"slices"
	"strings"
)

// folded finds names without their case, and tells which names others end in: what DNS
// asks for. Case is that of ASCII.
type folded map[Name]*fold

type fold struct {
	services []string // in order
	below    int      // services whose names end in a dot and this one
}

// Fold returns a name as Folded wants it.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Folded returns the services that have instances and a name that folds to that of n, and
// whether there are others whose names end in a dot and it. Of the name "" all do.
func (c *Catalog) Folded(n Name) (services []string, below bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f := c.folded[n]
	if f == nil {
		return nil, false
	}
	return slices.Clone(f.services), f.below > 0
}

func (f folded) add(n Name) {
	own := f.of(Name{n.Namespace, Fold(n.Service)})
	at, _ := slices.BinarySearch(own.services, n.Service)
	own.services = slices.Insert(own.services, at, n.Service)
	for end := range ends(n) {
		f.of(end).below++
	}
}

func (f folded) remove(n Name) {
	at := Name{n.Namespace, Fold(n.Service)}
	own := f.of(at)
	own.services = slices.DeleteFunc(own.services, func(s string) bool { return s == n.Service })
	f.tidy(at)
	for end := range ends(n) {
		f.of(end).below--
		f.tidy(end)
	}
}

func (f folded) of(n Name) *fold {
	if f[n] == nil {
		f[n] = &fold{}
	}
	return f[n]
}

func (f folded) tidy(n Name) {
	if own := f[n]; len(own.services)+own.below == 0 {
		delete(f, n)
	}
}

// ends are what is behind each dot of a name, and nothing at all, folded.
func ends(n Name) func(yield func(Name) bool) {
	return func(yield func(Name) bool) {
		for rest, more := Fold(n.Service), true; more; {
			_, rest, more = strings.Cut(rest, ".")
			if !yield(Name{n.Namespace, rest}) {
				return
			}
		}
	}
}
