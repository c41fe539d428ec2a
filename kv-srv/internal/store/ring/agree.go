package ring

import (
	"time"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// Store.mu is held in all of this file, but for look.

// look acts on what only time brings about.
func (s *Store) look() {
	ticker := time.NewTicker(beat / 4)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		s.act()
		s.mu.Unlock()
	}
}

// wake notes whether this process was stopped, or had no processor: then nobody else is
// to blame for silence.
func (s *Store) wake() {
	now := s.clock()
	if now-s.ticked > 2*beat {
		s.awake = now
		for _, p := range s.peers {
			p.failing, p.refusing = 0, 0
		}
	}
	s.ticked = now
}

// claim is what this node takes the ring for.
func (s *Store) claim() *ringpb.Claim {
	v := s.view.Load()
	s.claims++
	c := &ringpb.Claim{
		Number: s.claims, Self: s.self.proto(), View: v.id, Version: s.local.Version(),
		Moving: v.moving.Load(), Provided: v.providedTo(),
	}
	c.Weight, c.Lead = v.weight()
	for _, p := range s.peers {
		switch {
		case p.out():
			c.Excluded = append(c.Excluded, &ringpb.Exclusion{Name: p.name, Sequence: p.excluded})
		case p.present():
			c.Others = append(c.Others, p.proto())
		}
	}
	return c
}

// absorb takes in the claim of another node, and returns that node.
func (s *Store) absorb(c *ringpb.Claim) *peer {
	from := memberOf(c.GetSelf())
	if from.name == s.self.name || from.name == "" {
		return nil
	}
	s.local.Advance(c.GetVersion())
	p := s.learn(from)
	if p == nil {
		return nil
	}
	if from.seq < p.seq || c.GetNumber() <= p.heardOf && from.birth == p.birth {
		return p // it has said something else since
	}
	p.heardOf = c.GetNumber()
	p.claimed, p.moving, p.provided = c.GetView(), c.GetMoving(), c.GetProvided()
	for _, e := range c.GetExcluded() {
		if e.GetName() == s.self.name && e.GetSequence() >= s.self.seq {
			s.refused(p, c, e.GetSequence())
		}
	}
	if p.out() {
		return p // until it has joined anew, what it says of others is nothing to go by
	}
	for _, m := range c.GetOthers() {
		s.learn(memberOf(m))
	}
	if !from.answers() {
		return p // who joins and does not reach another does not join
	}
	for _, e := range c.GetExcluded() {
		if q := s.peers[e.GetName()]; q != nil && q.seq <= e.GetSequence() && !q.out() {
			s.exclude(q, "another node has it left out", p.name)
		}
	}
	return p
}

// learn takes in what a node has said of itself, and returns it, nil if it is this one or
// cannot be called.
func (s *Store) learn(m member) *peer {
	if m.name == s.self.name {
		if m.seq > s.self.seq { // of an earlier process, whose clock was ahead
			s.self.seq = m.seq + 1
		}
		return nil
	}
	p := s.peers[m.name]
	switch {
	case p == nil:
		if p = s.meet(m); p != nil && s.foreign(m, false) {
			s.keepOut(p)
		}
		return p
	case m.seq <= p.seq:
		return p
	}
	foreign := s.foreign(m, p.out())
	p.gone, p.failing, p.refusing = false, 0, 0 // it gets another chance
	if m.birth != p.birth {
		p.heardOf = 0
	}
	if m.birth != p.birth || !s.stale && !foreign {
		p.parted = 0
	}
	if m.birth != p.birth || !m.answers() { // it does not rely on earlier promises
		p.granted, p.leased, p.claimed = 0, 0, 0
	}
	p.member = m
	if foreign {
		s.keepOut(p)
	}
	p.hurry()
	return p
}

// foreign tells whether a node answers for keys that this one answers for, too: it has
// not joined where this one agreed to it. So it is with parts of a ring that did not hear
// of each other, and with nodes that each began alone.
func (s *Store) foreign(m member, out bool) bool {
	if !m.answers() || !s.self.answers() {
		return false
	}
	v := s.view.Load()
	i := v.find(m.name)
	return out || i < 0 || v.members[i].birth != m.birth
}

// never stands for the version at which nodes parted that have no write in common.
const never = 1

// keepOut leaves out a node of another ring: the smaller one of the two joins the other.
func (s *Store) keepOut(p *peer) {
	p.parted = max(p.parted, never)
	s.exclude(p, "it belongs to a ring of its own", s.self.name)
}

// part ends talking to a node.
func (s *Store) part(p *peer) {
	p.stop()
	delete(s.peers, p.name)
	s.work.Go(func() { _ = p.conn.Close() }) // nothing is lost with it
}

// exclude leaves a node out until it joins anew.
func (s *Store) exclude(p *peer, why, by string) {
	p.excluded = p.seq
	p.calls.reset()
	p.acts.reset()
	if p.answers() {
		s.opts.Log.Warn("a node is left out of the ring", "node", p.name, "why", why, "by", by)
	}
}

// refused is what a node does that another one has left out: it joins anew, unless it has
// left that one out as well, and is on the larger side. It does so less and less often.
//
// It is out as of a sequence, which may be that of an earlier process whose clock was
// ahead.
func (s *Store) refused(by *peer, c *ringpb.Claim, out uint64) {
	if out > s.self.seq { // an earlier process is out, whose clock was ahead: so far nobody heard of this one
		s.self.seq = out + 1
		return
	}
	now := s.clock()
	if by.out() && !s.lighter(c) || now < s.retry {
		return
	}
	if by.out() { // both sides of a partition hear of each other: this one forgets its own
		for _, p := range s.peers {
			p.excluded, p.failing, p.refusing = 0, 0, 0
		}
		clear(s.strangers)
	}
	s.rejoin()
	if by.parted == never {
		s.rejoined = never
	}
	s.refusals = min(s.refusals+1, 6)
	s.retry = now + beat<<s.refusals
}

// lighter tells whether the view of another node is to be preferred to this one's.
func (s *Store) lighter(c *ringpb.Claim) bool {
	weight, lead := s.view.Load().weight()
	switch {
	case weight != c.GetWeight():
		return weight < c.GetWeight()
	case lead != c.GetLead():
		return lead > c.GetLead()
	}
	return s.self.name > c.GetSelf().GetName()
}

// rejoin gives up all slots, to join anew with what is here.
func (s *Store) rejoin() {
	if s.self.state == ringpb.State_STATE_LEFT {
		return
	}
	s.opts.Log.Info("this node joins the ring anew")
	s.become(ringpb.State_STATE_JOINING)
	for slot := range s.have { // others may have written meanwhile
		s.have[slot] = unknown
	}
	if !s.stale {
		s.stale, s.rejoined, s.unoffered = true, s.local.Version(), nil
		for slot := range slots {
			s.unoffered = append(s.unoffered, slot)
		}
	}
	s.keeping.Store(true)
	s.partWatches()
}

// become changes what this node does. Before it says that it answers for nothing, it
// does not: who hears of that takes its place at once.
func (s *Store) become(state ringpb.State) {
	s.self.state = state
	s.self.seq++
	if s.self.answers() {
		return
	}
	v := s.view.Load()
	s.gate.Lock()
	v.revoked = true
	v.leased.Store(0)
	s.gate.Unlock()
}

// act draws the conclusions from what is known now.
func (s *Store) act() {
	s.wake()
	now := s.clock()
	for _, p := range s.peers {
		p.gone = p.gone || p.refusing >= 2
		switch {
		case p.out():
		case p.gone:
			s.exclude(p, "nobody listens on its address", s.self.name)
		case p.failing > 0 && now-p.failing >= term:
			s.exclude(p, "it does not answer", s.self.name)
		}
	}
	s.forget(now)
	s.promote(now)
	s.update(now)
	s.renew(s.leaseClock())
	if s.self.state == ringpb.State_STATE_LEAVING || s.self.state == ringpb.State_STATE_LEFT {
		s.bell.ring() // Leave waits for the others
	}
}

// maxStrangers bounds what is known of nodes that are no longer asked.
const maxStrangers = 1 << 12

// stranger is what stays known of a node that was left out and is no longer asked: it may
// come back from the other side of a partition.
type stranger struct {
	member
	excluded, parted uint64
}

// forget drops nodes that have left, or that were silent for long.
func (s *Store) forget(now time.Duration) {
	for _, p := range s.peers {
		silent := p.failing > 0 && now-p.failing > s.opts.Forget
		switch {
		case silent && p.out():
			s.estrange(p)
			s.part(p)
		case silent && p.state == ringpb.State_STATE_LEFT:
			s.part(p)
		}
	}
}

// estrange notes what is known of a node. Of too many, any other is forgotten.
func (s *Store) estrange(p *peer) {
	for name := range s.strangers {
		if len(s.strangers) < maxStrangers {
			break
		}
		delete(s.strangers, name)
	}
	s.strangers[p.name] = stranger{p.member, p.excluded, p.parted}
}
