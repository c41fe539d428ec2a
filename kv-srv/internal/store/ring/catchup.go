package ring

import (
	"context"
	"maps"
	"slices"
	"sync"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// since is the version from which on this node has every write to all that it holds, as
// far as that is known yet. Store.mu is held.
func (s *Store) since(v *view) uint64 {
	version := uint64(0)
	for slot := range slots {
		if v.holds(slot) {
			version = max(version, s.have[slot])
		}
	}
	return version
}

// catchUp has all watches of all nodes of a view reach the version from which on this node
// has every write to what it holds: once it decides, it cannot tell them what was before.
// Until then something moves. Who watches and does not get there in time is not waited for.
func (s *Store) catchUp(v *view, version uint64) {
	ctx, end := s.within(v)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var all sync.WaitGroup
	for i, m := range v.members {
		all.Go(func() {
			if int16(i) == v.self { //nolint:gosec // a ring is small
				s.reach(ctx, version)
				return
			}
			_ = s.insist(ctx, v, m.name, func() error { return s.haveReach(ctx, v, m.name, version) })
		})
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.Load() != v {
		return
	}
	s.caught = version
	s.progress(v)
	s.act()
}

// haveReach waits until the watches of another node have reached a version.
func (s *Store) haveReach(ctx context.Context, v *view, name string, version uint64) error {
	p := s.peer(name)
	if p == nil {
		return errUnsent
	}
	a, err := p.calls.do(ctx, v.left, &ringpb.Call{Timeout: timeout(ctx), Want: &ringpb.Want{Version: version}})
	if err != nil {
		return err
	}
	return outcome(a)
}

// reach waits until the watches of this node have all changes up to a version, or ctx is
// done.
func (s *Store) reach(ctx context.Context, version uint64) {
	s.mu.Lock()
	hubs := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, h := range hubs {
		h.ask(version)
	}
	for _, h := range hubs {
		_ = h.reach(ctx, version) // one that has ended is nobody's
	}
}

// ask has all changes up to a version be seen soon.
func (h *hub) ask(version uint64) {
	h.mu.Lock()
	behind := h.safe < version
	h.wish = max(h.wish, version)
	h.mu.Unlock()
	if !behind {
		return
	}
	select {
	case h.wishes <- struct{}{}:
	default:
	}
}

// reach waits until all changes up to a version were seen.
func (h *hub) reach(ctx context.Context, version uint64) error {
	h.ask(version)
	for {
		rung := h.bell.wait()
		h.mu.Lock()
		there := h.safe >= version
		h.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-rung:
		case <-h.done:
			return h.ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
