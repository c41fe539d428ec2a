package ring

import (
	"context"
	"errors"
	"time"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// Leave hands over what this node answers for, and leaves the ring. Calls are still
// answered, by the others. Where ctx is done before, it leaves all the same, as if it
// were lost, and says so.
func (s *Store) Leave(ctx context.Context) error {
	s.mu.Lock()
	if s.self.state == ringpb.State_STATE_SERVING {
		s.become(ringpb.State_STATE_LEAVING)
		s.act()
	}
	s.mu.Unlock()
	err := s.until(ctx, s.handedOver)
	goOn := s.hold(ctx)
	s.mu.Lock()
	s.become(ringpb.State_STATE_LEFT)
	s.act()
	s.mu.Unlock()
	if err == nil {
		err = s.until(ctx, s.left)
	} else {
		err = errors.New("leave the ring: not all was handed over in time")
	}
	goOn()
	if err != nil {
		return err
	}
	if err := s.until(ctx, s.leftToAll); err != nil {
		return err
	}
	return s.quiet(ctx)
}

// left tells whether this node has a view without it.
func (s *Store) left() bool { return s.view.Load().self < 0 }

// quiet waits until what others have asked before they knew is answered.
func (s *Store) quiet(ctx context.Context) error {
	ticker := time.NewTicker(beat / 8)
	defer ticker.Stop()
	for idle := 0; idle < 2; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if idle++; s.busy.Load() > 0 {
			idle = 0
		}
	}
	return nil
}

// handedOver tells whether every other node has all that it needs without this one.
func (s *Store) handedOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.self.state != ringpb.State_STATE_LEAVING {
		return true // it has nothing that others need from it
	}
	v := s.view.Load()
	if v.self < 0 || v.members[v.self].seq != s.self.seq || !v.established.Load() || v.moving.Load() > 0 {
		return false
	}
	for _, m := range v.members {
		if p := s.peers[m.name]; m.name != s.self.name && (p == nil || p.claimed != v.id || p.moving > 0) {
			return false
		}
	}
	return true
}

// leftToAll tells whether all others know that this node has left.
func (s *Store) leftToAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	if v.self >= 0 {
		return false
	}
	for _, m := range v.members {
		if p := s.peers[m.name]; p == nil || p.claimed != v.id {
			return false
		}
	}
	return true
}
