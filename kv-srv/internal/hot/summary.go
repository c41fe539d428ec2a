package hot

import "strings"

// size is how many names a summary counts at a time.
const size = 128

type name struct{ namespace, key string }

// use is how often a name was seen.
type use struct{ reads, writes uint64 }

// summary finds the names that were seen most, by the Space-Saving algorithm (Metwally,
// Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
// 2005). The zero value has seen none.
//
// A new name takes the place of the one with the lowest count, which may be all that it
// had before: at most a 128th of all that was seen. What was seen since is use.
type summary struct {
	places map[name]int
	names  [size]name
	counts [size]uint64 // of a name, or of who had its place before; 0: the place is free
	uses   [size]use
}

func (s *summary) add(n name, u use) {
	i, ok := s.places[n]
	if !ok {
		i = s.place(n)
	}
	s.counts[i] += u.reads + u.writes
	s.uses[i].reads += u.reads
	s.uses[i].writes += u.writes
}

// place gives a name the place with the lowest count.
func (s *summary) place(n name) int {
	lowest := 0
	for i, count := range s.counts {
		if count < s.counts[lowest] {
			lowest = i
		}
	}
	if s.places == nil {
		s.places = make(map[name]int, size)
	}
	if s.counts[lowest] > 0 {
		delete(s.places, s.names[lowest])
	}
	n = name{strings.Clone(n.namespace), strings.Clone(n.key)} // not the request that has them
	s.names[lowest], s.uses[lowest] = n, use{}
	s.places[n] = lowest
	return lowest
}

// sum adds the uses of a namespace, or of all if it is "", to others.
func (s *summary) sum(namespace string, to map[name]use) {
	for n, i := range s.places {
		if namespace == "" || n.namespace == namespace {
			u := to[n]
			to[n] = use{u.reads + s.uses[i].reads, u.writes + s.uses[i].writes}
		}
	}
}
