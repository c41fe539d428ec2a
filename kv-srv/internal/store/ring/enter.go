package ring

import (
	"slices"
	"time"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// Store.mu is held in all of this file.

// members are those that belong into the view, in the order of their names.
func (s *Store) members() []member {
	var all []member
	if s.self.present() {
		all = append(all, s.self)
	}
	for _, p := range s.peers {
		if !p.out() && p.present() {
			all = append(all, p.member)
		}
	}
	sortMembers(all)
	return all
}

// update enters another view if there is reason to, and no promise against it.
func (s *Store) update(now time.Duration) {
	next := s.members()
	v := s.view.Load()
	if viewID(next, s.opts.Replicas) == v.id {
		return
	}
	for _, p := range s.peers {
		if i := v.find(p.name); i >= 0 && v.members[i].answers() && p.out() && !p.gone && p.granted > now {
			return // it may rely on the promise until then; look comes again
		}
	}
	if !s.resting(next) {
		s.enter(next)
	}
}

// enter changes the view.
func (s *Store) enter(members []member) {
	old, v := s.view.Load(), newView(s.self.name, members, s.opts.Replicas)
	if old.within(members) {
		v.before = old.id
	}
	s.plan(old, v)
	if v.behind = s.since(v) > s.caught; v.behind {
		v.moving.Add(1) // until catchUp is done
	}
	s.gate.Lock()
	if v.self >= 0 {
		s.local.SetTag(uint8(v.self)) //nolint:gosec // a ring is small
	}
	s.view.Store(v)
	s.dropFills()
	close(old.left)
	s.gate.Unlock()
	s.rest = rest{}
	s.bell.ring()
	for _, p := range s.peers {
		if p.out() && old.find(p.name) >= 0 {
			p.parted = s.local.Version()
			p.calls.reset()
			p.acts.reset()
		}
		p.hurry()
	}
	s.work.Go(func() { s.move(v) })
}

// renew finds out until when this node may answer for its keys.
func (s *Store) renew(now time.Duration) {
	v := s.view.Load()
	if v.revoked {
		return
	}
	until := time.Duration(forever)
	for _, m := range v.members {
		if m.name == s.self.name || !m.answers() {
			continue
		}
		p := s.peers[m.name]
		if p == nil || p.leasedIn != v.id {
			return
		}
		until = min(until, p.leased)
	}
	if until <= now {
		return
	}
	before := v.leased.Swap(int64(until))
	if !v.established.Swap(true) {
		s.established(v)
	}
	if before <= int64(now) {
		s.bell.ring()
	}
	s.settle(v)
}

// established notes from which version on this node has every write to what it holds.
func (s *Store) established(v *view) {
	version := s.local.Version()
	for slot := range s.have {
		if s.have[slot] == unknown && v.holds(slot) {
			s.have[slot] = version
		}
	}
	if v.behind {
		version = s.since(v)
		s.work.Go(func() { s.catchUp(v, version) })
	}
}

// promote lets a node that joins begin to answer, if it has all that it needs.
func (s *Store) promote(now time.Duration) {
	v := s.view.Load()
	if s.self.state != ringpb.State_STATE_JOINING || v.find(s.self.name) < 0 || v.members[v.self].seq != s.self.seq {
		return
	}
	others := false
	for _, m := range v.members {
		if m.name == s.self.name {
			continue
		}
		p := s.peers[m.name]
		if p == nil || p.claimed != v.id {
			return
		}
		if m.answers() {
			others = true
			if !slices.Contains(p.provided, s.self.name) {
				return
			}
		}
	}
	switch {
	case others && (!v.established.Load() || v.moving.Load() > 0 || s.stale && s.offered != v.id):
		return
	case !others && (now < s.alone || v.members[0].name != s.self.name):
		return // all join: the first of them begins
	}
	s.stale, s.refusals = false, 0
	s.keeping.Store(false)
	s.become(ringpb.State_STATE_SERVING)
	s.opts.Log.Info("this node serves", "nodes", len(v.members), "items", s.local.Stats().Items)
}

// settle notes that nothing moves on any node.
func (s *Store) settle(v *view) {
	if v.settled.Load() || v.moving.Load() > 0 || v.self < 0 {
		return
	}
	for _, m := range v.members {
		if m.state != ringpb.State_STATE_SERVING {
			return
		}
		if p := s.peers[m.name]; m.name != s.self.name && (p == nil || p.claimed != v.id || p.moving > 0) {
			return
		}
	}
	v.settled.Store(true)
	s.work.Go(func() { s.tidy(v) })
}
