package ring

import (
	"context"
	"slices"
)

// rest comes before a view in which other nodes answer for keys of this one: writes to them
// are done before, or begun after. It belongs to a view.
type rest struct {
	view uint64
	over bool
}

// resting tells whether this node has still writes to do before it enters a view of some
// members. It calls act when it has not. Where one is lost, there is no time for that.
func (s *Store) resting(members []member) bool {
	id := viewID(members, s.opts.Replicas)
	if s.rest.view == id {
		return !s.rest.over
	}
	old := s.view.Load()
	if !old.within(members) || !old.gives(newView(s.self.name, members, s.opts.Replicas)) {
		return false
	}
	s.rest = rest{view: id}
	s.work.Go(func() {
		defer s.hold(s.ctx)()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.rest.view == id {
			s.rest.over = true
			s.act()
		}
	})
	return true
}

// within tells whether all members of a view are among others, with what they have in memory.
func (v *view) within(members []member) bool {
	return !slices.ContainsFunc(v.members, func(m member) bool {
		return !slices.ContainsFunc(members, func(o member) bool { return o.name == m.name && o.birth == m.birth })
	})
}

// gives tells whether another node answers for keys of this one in the next view.
func (v *view) gives(next *view) bool {
	for slot := range v.Owner {
		if v.owns(slot) && !next.owns(slot) {
			return true
		}
	}
	return false
}

// hold waits for the writes that this node does, and keeps others from beginning until goOn:
// they go to another node then. What takes longer than a word between nodes is not waited for.
func (s *Store) hold(ctx context.Context) (goOn func()) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var ends []func()
	for slot := range s.turns {
		end, err := s.turn(ctx, slot)
		if err != nil {
			break
		}
		ends = append(ends, end)
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}
