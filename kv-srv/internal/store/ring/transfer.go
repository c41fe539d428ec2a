package ring

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// unknown stands for the version of a slot that a node may not have all writes to.
const unknown = ^uint64(0)

// plan notes what a change of view leaves to do. Store.mu is held.
func (s *Store) plan(old, v *view) {
	steady := map[string]bool{} // who has not begun anew
	for _, m := range v.members {
		if i := old.find(m.name); i >= 0 {
			before := old.members[i]
			steady[m.name] = before.birth == m.birth && (m.answers() || !before.answers())
		}
	}
	moving := 0
	v.todo = map[string][]int{}
	for slot := range slots {
		if !old.holds(slot) || !v.holds(slot) {
			s.have[slot] = unknown
		}
		if !v.owns(slot) {
			s.synced[slot] = nil
			continue
		}
		var still []string
		for _, i := range v.Copies[slot] {
			name := v.members[i].name
			if old.owns(slot) && steady[name] && slices.Contains(s.synced[slot], name) {
				still = append(still, name)
				continue
			}
			v.todo[name] = append(v.todo[name], slot)
			moving++
		}
		s.synced[slot] = still
	}
	if s.stale {
		moving++ // what is offered
		s.keeping.Store(true)
	}
	v.moving.Store(int32(moving))
}

// move brings the other holders of this node's slots up to date, and offers what it may
// have alone. It ends with the view.
func (s *Store) move(v *view) {
	ctx, cancel := s.within(v)
	defer cancel()
	if s.until(ctx, v.established.Load) != nil {
		return
	}
	s.mu.Lock()
	stale := s.stale
	s.mu.Unlock()
	if stale {
		s.offer(ctx, v)
		return
	}
	var all sync.WaitGroup
	for i, m := range v.members {
		if int16(i) == v.self {
			continue
		}
		all.Go(func() {
			if s.push(ctx, v, m.name, v.todo[m.name]) == nil && !m.answers() {
				v.provide(m.name)
				s.tell()
			}
		})
	}
	all.Wait()
}

// within returns a context that ends with a view.
func (s *Store) within(v *view) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.work.Go(func() {
		select {
		case <-v.left:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// until waits for what the bell may ring for.
func (s *Store) until(ctx context.Context, so func() bool) error {
	for {
		rung := s.bell.wait()
		if so() {
			return ctx.Err()
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell has all nodes hear of this one at once.
func (s *Store) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		p.hurry()
	}
	s.act()
}

// Bounds of a transfer.
const (
	compareSlots = 512      // in one message
	fillAtOnce   = 16       // slots
	pushPause    = beat / 4 // after something did not work
)

// push brings a node up to date on some slots.
func (s *Store) push(ctx context.Context, v *view, name string, todo []int) error {
	for some := range slices.Chunk(todo, compareSlots) {
		differ, err := s.compare(ctx, v, name, some)
		if err != nil {
			return err
		}
		for _, slot := range some {
			if !slices.Contains(differ, slot) {
				s.brought(v, slot, name)
			}
		}
		if err := s.fillAll(ctx, v, name, differ); err != nil {
			return err
		}
	}
	return nil
}

// compare returns which of some slots differ at a node. What is written to a slot when it
// is called is part of it; what is written later goes to the node as well.
func (s *Store) compare(ctx context.Context, v *view, name string, some []int) ([]int, error) {
	c := &ringpb.Compare{View: v.id}
	for _, slot := range some {
		end, err := s.turn(ctx, slot)
		if err != nil {
			return nil, err
		}
		c.Slots = append(c.Slots, int32(slot)) //nolint:gosec // below 4096
		c.Digests = append(c.Digests, s.local.Digest(slot))
		end()
	}
	var differ []int
	err := s.insist(ctx, v, name, func() error {
		a, err := s.ask(ctx, v, name, &ringpb.Call{Compare: c})
		for _, n := range a.GetNumbers().GetValues() {
			differ = append(differ, int(n))
		}
		return err
	})
	return differ, err
}

func (s *Store) fillAll(ctx context.Context, v *view, name string, todo []int) error {
	var all sync.WaitGroup
	errs := make([]error, fillAtOnce)
	for lane := range fillAtOnce {
		all.Go(func() {
			for i := lane; i < len(todo) && errs[lane] == nil; i += fillAtOnce {
				errs[lane] = s.insist(ctx, v, name, func() error { return s.fill(ctx, v, name, todo[i]) })
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// brought notes that a node has all of a slot.
func (s *Store) brought(v *view, slot int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.Load() != v {
		return
	}
	s.synced[slot] = append(s.synced[slot], name)
	s.progress(v)
}

// behind notes that a node of which this one took it that it has all of a slot may not,
// and brings it up to date.
func (s *Store) behind(slot int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	i := slices.Index(s.synced[slot], name)
	if i < 0 || !v.owns(slot) {
		return // it is compared anyway
	}
	s.synced[slot] = slices.Delete(s.synced[slot], i, i+1)
	v.moving.Add(1)
	s.work.Go(func() {
		ctx, cancel := s.within(v)
		defer cancel()
		_ = s.fillAll(ctx, v, name, []int{slot}) // or in the next view
	})
}

// progress notes that something of a view was moved. Store.mu is held.
func (s *Store) progress(v *view) {
	if v.moving.Add(-1) > 0 {
		return
	}
	for _, p := range s.peers {
		p.hurry()
	}
	s.settle(v)
}

// insist does something that another node takes part in until it is done, or ctx is.
func (s *Store) insist(ctx context.Context, v *view, name string, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		if errors.Is(err, store.ErrFull) && !v.full.Swap(true) {
			s.opts.Log.ErrorContext(ctx, "a node of the ring has no room for its copies", "node", name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pushPause):
		}
	}
}

// ask makes a call that waits for no other node.
func (s *Store) ask(ctx context.Context, v *view, name string, call *ringpb.Call) (*ringpb.Answer, error) {
	p := s.peer(name)
	if p == nil {
		return nil, errUnsent
	}
	a, err := p.acts.do(ctx, v.left, call)
	if err != nil {
		return nil, err
	}
	return a, outcome(a)
}

func (s *Store) peer(name string) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[name]
}

// tidy forgets what other nodes have, once nothing moves.
func (s *Store) tidy(v *view) {
	for slot := range slots {
		if v.holds(slot) || s.local.SlotItems(slot) == 0 {
			continue
		}
		s.gate.RLock()
		if s.view.Load() == v {
			s.local.Clear(slot)
		}
		s.gate.RUnlock()
	}
}

// offer gives the owners of slots what is here of them. What was offered in an earlier
// view was taken in by all who held it then.
func (s *Store) offer(ctx context.Context, v *view) {
	for {
		s.mu.Lock()
		todo := s.unoffered
		s.mu.Unlock()
		if len(todo) == 0 {
			break
		}
		slot := todo[0]
		end, err := s.turn(ctx, slot) // what this node decided before is part of it
		if err != nil {
			return
		}
		copies, owner := s.local.Slot(slot), v.Owner[slot]
		for i := range copies {
			copies[i].Request, copies[i].Answer = s.requestOf(slot, copies[i])
		}
		end()
		if owner < 0 {
			return // nobody answers for anything: in the next view somebody does
		}
		if len(copies) > 0 && s.offerSlot(ctx, v, v.members[owner].name, copies) != nil {
			return
		}
		s.mu.Lock()
		if s.view.Load() == v {
			s.unoffered = todo[1:]
		}
		s.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.Load() != v {
		return
	}
	s.offered = v.id
	s.keeping.Store(false)
	s.progress(v)
	s.act()
}

func (s *Store) offerSlot(ctx context.Context, v *view, owner string, copies []memory.Copy) error {
	p := s.peer(owner)
	if p == nil {
		return errUnsent
	}
	s.mu.Lock()
	common := p.parted
	if common == 0 {
		common = s.rejoined
	}
	s.mu.Unlock()
	for len(copies) > 0 {
		o, size := &ringpb.Offer{View: v.id, Common: common}, 0
		for len(copies) > 0 && (size == 0 || size+copies[0].Item.Size() <= frameBytes) {
			size += copies[0].Item.Size()
			o.Records = append(o.Records, recordOf(copies[0]))
			copies = copies[1:]
		}
		err := s.insist(ctx, v, owner, func() error {
			a, err := p.calls.do(ctx, v.left, &ringpb.Call{Offer: o})
			if err != nil {
				return err
			}
			return outcome(a)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
