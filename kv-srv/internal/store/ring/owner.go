package ring

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// turn waits for the turn to write to a slot, and returns what ends it.
func (s *Store) turn(ctx context.Context, slot int) (end func(), err error) {
	select {
	case s.turns[slot] <- struct{}{}:
		return func() { <-s.turns[slot] }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// owning waits until this node may answer for a slot, and returns the view in which it
// does, or errMoved if another one does.
func (s *Store) owning(ctx context.Context, slot int) (*view, error) {
	for {
		rung := s.bell.wait()
		v := s.view.Load()
		if !v.owns(slot) {
			return nil, errMoved
		}
		if v.serves(s.leaseClock()) {
			return v, nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// still tells whether this node may answer for a slot in a view. While gate is held for
// reading, it stays so for all that others see.
func (s *Store) still(v *view, slot int) bool {
	return s.view.Load() == v && v.owns(slot) && v.serves(s.leaseClock())
}

// decide does a write to a slot of this node, in its turn, and returns its answer.
//
// Once other nodes may have it, a write is not given up while this node decides about the
// slot: what they had, and later calls do not know of, would come back when one of them
// takes over. So it goes on when its caller has left.
func (s *Store) decide(ctx context.Context, c change.Change) (request.Answer, error) {
	slot := placement.Slot(c.Namespace, c.Key)
	end, err := s.turn(ctx, slot)
	if err != nil {
		return request.Answer{}, err
	}
	answer, sent, err := s.attempt(ctx, slot, c, false)
	if !sent || ctx.Err() == nil || err == nil {
		end()
		return answer, err
	}
	s.work.Go(func() {
		defer end()
		ctx, cancel := context.WithTimeout(s.ctx, maxWait)
		defer cancel()
		if _, _, err := s.attempt(ctx, slot, c, sent); err != nil && !errors.Is(err, errBroken) {
			s.opts.Log.DebugContext(ctx, "a write whose caller has left was not finished", "error", err)
		}
	})
	return answer, err
}

// attempt does a write, again whenever the ring has changed meanwhile: the next version
// replaces what some nodes may have of the one before, which is nothing to recover. It
// tells whether others may have it, as they may have been told before; if so, it returns
// errBroken where another node decides by now.
func (s *Store) attempt(ctx context.Context, slot int, c change.Change, before bool) (answer request.Answer, sent bool, err error) {
	sent = before
	for {
		v, err := s.owning(ctx, slot)
		if err == nil && !sent {
			err = s.recover(ctx, v, c.Namespace, c.Key)
		}
		if sent && errors.Is(err, errMoved) {
			return answer, sent, errBroken
		}
		if err != nil && !errors.Is(err, errLeft) {
			return answer, sent, err
		}
		if err != nil {
			continue
		}
		next, done, err := s.prepare(v, slot, c)
		if err == nil && !done {
			if err = s.commit(ctx, v, slot, next); !errors.Is(err, errUntold) {
				sent = true
			}
		}
		if s.opts.Memory.Evict && c.Op == request.Delete && errors.Is(err, store.ErrNotFound) {
			err = cmp.Or(s.erase(ctx, v, slot, c), err)
		}
		if !errors.Is(err, errLeft) {
			return next.Answer, sent, err
		}
	}
}

// erase deletes at the other holders of a slot what this node does not have: it may have
// evicted what they have not.
func (s *Store) erase(ctx context.Context, v *view, slot int, c change.Change) error {
	if len(v.Copies[slot]) == 0 {
		return nil
	}
	return s.adopt(ctx, v, slot, memory.Copy{Namespace: c.Namespace, Item: store.Item{Key: c.Key}, Gone: true})
}

// prepare finds out what a write makes of what is there. Its version is under way then.
// With done there is nothing to make: the request was done before.
func (s *Store) prepare(v *view, slot int, c change.Change) (next memory.Copy, done bool, err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if !s.still(v, slot) {
		return next, false, errLeft
	}
	item, answer, done := s.local.Look(c.Namespace, c.Key, c.Name())
	if done {
		return memory.Copy{Answer: answer}, true, nil
	}
	after, sum, err := c.To(item, time.Now())
	if err != nil {
		if c.Op == request.Delete && errors.Is(err, store.ErrNotFound) {
			s.leases.End(c.Namespace, c.Key) // a filler that gives up says so by a deletion
		}
		return next, false, err
	}
	next = memory.Copy{Namespace: c.Namespace, Request: c.Name(), Gone: after == nil}
	if after != nil {
		next.Item = *after
	}
	next.Item.Key = c.Key
	if err := s.local.Room(next); err != nil {
		return next, false, err
	}
	next.Item.Version = s.local.Begin()
	if after != nil {
		next.Answer = request.Answer{Sum: sum, Version: next.Item.Version}
	}
	return next, false, nil
}

// commit brings what was prepared to all who hold the slot, to this node last.
func (s *Store) commit(ctx context.Context, v *view, slot int, all ...memory.Copy) error {
	defer func() {
		for _, c := range all {
			s.local.End(c.Item.Version)
		}
	}()
	err := s.replicate(ctx, v, slot, all)
	nowhere := err != nil && len(v.Copies[slot]) == 1 && len(all) == 1 // who has no room changes nothing
	for i := 0; err == nil && i < len(all); i++ {
		_, err = s.local.Apply(all[i])
	}
	if err != nil {
		if errors.Is(err, store.ErrFull) && !nowhere {
			s.undo(ctx, v, slot)
		}
		return err
	}
	for _, c := range all {
		s.leases.End(c.Namespace, c.Item.Key)
	}
	return nil
}

// undo takes back, in the turn of a slot, what some of its holders had room for and others
// had not. Whom it does not reach is brought up to date afterwards.
func (s *Store) undo(ctx context.Context, v *view, slot int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, place := range v.Copies[slot] {
		name := v.members[place].name
		if err := s.fillNow(ctx, v, name, slot); err != nil {
			s.opts.Log.DebugContext(ctx, "a node may keep for a while a write that was refused for lack of room", "node", name, "error", err)
			s.behind(slot, name)
		}
	}
}

// replicate returns nil once every other holder of a slot has some copies, errLeft if the
// view has changed before, errUntold if none has them then, or store.ErrFull.
func (s *Store) replicate(ctx context.Context, v *view, slot int, all []memory.Copy) error {
	to := v.Copies[slot]
	switch len(to) {
	case 0:
		return nil
	case 1:
		return s.replicateTo(ctx, v, v.members[to[0]].name, all)
	}
	var sending sync.WaitGroup
	errs := make([]error, len(to))
	for i, place := range to {
		sending.Go(func() { errs[i] = s.replicateTo(ctx, v, v.members[place].name, all) })
	}
	sending.Wait()
	return together(errs)
}

// together is what telling several nodes came to.
func together(errs []error) error {
	untold := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, errUntold):
			untold++
		case err != nil:
			return err
		}
	}
	switch untold {
	case 0:
		return nil
	case len(errs):
		return errUntold
	}
	return errLeft
}

// replicateTo insists until a node has some copies, or the view has changed.
func (s *Store) replicateTo(ctx context.Context, v *view, name string, all []memory.Copy) error {
	r := &ringpb.Replicate{View: v.id, Records: make([]*ringpb.Record, len(all))}
	for i, c := range all {
		r.Records[i] = recordOf(c)
	}
	for why := errUntold; ; {
		_, err := s.ask(ctx, v, name, &ringpb.Call{Replicate: r})
		switch {
		case err == nil, errors.Is(err, store.ErrFull):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errMoved) && !errors.Is(err, errUnsent):
			why = errLeft
		}
		select {
		case <-v.left:
			return why
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(beat / 40):
		}
	}
}

// recover asks the other nodes for an item that this one does not have, although it
// answers for it, while items are on their way: it may be one of them. It is called in
// the turn of the slot.
func (s *Store) recover(ctx context.Context, v *view, namespace, key string) error {
	if v.settled.Load() || len(v.members) < 2 {
		return nil
	}
	if item, _, _ := s.local.Look(namespace, key, request.Name{}); item.Version != 0 {
		return nil
	}
	best := s.findAll(ctx, v, namespace, key)
	if best == nil || best.GetGone() || !s.news(copyOf(best)) {
		return nil
	}
	return s.adopt(ctx, v, placement.Slot(namespace, key), copyOf(best))
}

// findAll returns the latest that other nodes have under a key, nil for nothing.
func (s *Store) findAll(ctx context.Context, v *view, namespace, key string) *ringpb.Record {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mu sync.Mutex
	var best *ringpb.Record
	var asking sync.WaitGroup
	for i, m := range v.members {
		if int16(i) == v.self {
			continue
		}
		asking.Go(func() {
			a, err := s.ask(ctx, v, m.name, &ringpb.Call{Find: &ringpb.Find{Namespace: namespace, Key: key}})
			if err != nil || len(a.GetItems().GetRecords()) == 0 {
				return // who is away may have it: then it comes when it is back
			}
			mu.Lock()
			defer mu.Unlock()
			if r := a.GetItems().GetRecords()[0]; r.GetVersion() > best.GetVersion() {
				best = r
			}
		})
	}
	asking.Wait()
	return best
}

// news tells whether a copy from elsewhere is later than all that this node knows of its
// key. Where a deletion may have been forgotten, it is not.
func (s *Store) news(c memory.Copy) bool {
	here := s.here(c.Namespace, c.Item.Key)
	if here == 0 {
		here = s.local.Forgotten()
	}
	return c.Item.Version > here && !c.Item.Expired(time.Now())
}

// here is the version of what this node has under a key, be it an item or a deletion; 0:
// nothing.
func (s *Store) here(namespace, key string) uint64 {
	if item, _, _ := s.local.Look(namespace, key, request.Name{}); item.Version != 0 {
		return item.Version
	}
	return s.local.Tombstone(namespace, key)
}

// adopt makes copies from elsewhere those of a slot of this node. They get a new version:
// who watches has passed the old one.
func (s *Store) adopt(ctx context.Context, v *view, slot int, all ...memory.Copy) error {
	s.gate.RLock()
	if !s.still(v, slot) {
		s.gate.RUnlock()
		return errLeft
	}
	for i := range all {
		version := s.local.Begin()
		if all[i].Answer.Version == all[i].Item.Version {
			all[i].Answer.Version = version
		}
		all[i].Item.Version = version
	}
	s.gate.RUnlock()
	return s.commit(ctx, v, slot, all...)
}
