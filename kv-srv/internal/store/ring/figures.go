package ring

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// figures tells what this node has.
func (s *Store) figures(f *ringpb.Figures) *ringpb.Answer {
	stats, v := s.local.Stats(), s.view.Load()
	a := &ringpb.FiguresAnswer{
		Bytes: stats.Bytes, MaxBytes: stats.MaxBytes, Moving: int64(v.moving.Load()),
		Moved: s.moved.Load(), Conflicts: s.conflicts.Load(),
	}
	if why := s.waiting(); why != joining {
		a.Waiting = why
	}
	for slot := range slots {
		if n := int64(s.local.SlotItems(slot)); v.owns(slot) {
			a.Keys += n
		} else {
			a.Copies += n
		}
	}
	if f.GetLimit() > 0 {
		page, err := s.local.Namespaces(s.ctx, store.NamespaceQuery{From: f.GetFrom(), To: f.GetTo(), Limit: int(f.GetLimit())})
		if err != nil {
			return failure(err)
		}
		a.More = page.More
		for _, n := range page.Namespaces {
			a.Namespaces = append(a.Namespaces, &ringpb.FiguresAnswer_Namespace{Name: n.Name, Keys: n.Keys, Bytes: n.Bytes})
		}
	}
	return &ringpb.Answer{Figures: a}
}

// Namespaces implements store.Store. Its figures are those of all copies, divided by how
// many there are of each: exact while nothing moves and nothing is evicted.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (page store.NamespacePage, err error) {
	f := &ringpb.Figures{From: q.From, To: q.To, Limit: int32(q.Limit)} //nolint:gosec // 1001 at most
	err = s.together(ctx, func(ctx context.Context, v *view) error {
		parts, err := s.each(ctx, v, func() (*ringpb.Answer, error) {
			a := s.figures(f)
			return a, outcome(a)
		}, func() *ringpb.Call { return &ringpb.Call{Figures: f} })
		if err == nil {
			page = s.mergeNamespaces(v, parts, q)
		}
		return err
	})
	return page, err
}

func (s *Store) mergeNamespaces(v *view, parts []*ringpb.Answer, q store.NamespaceQuery) store.NamespacePage {
	var page store.NamespacePage
	sums := map[string]*store.Namespace{}
	last := "" // what one part has not told of comes after it
	for _, part := range parts {
		all := part.GetFigures().GetNamespaces()
		for _, n := range all {
			sum := sums[n.GetName()]
			if sum == nil {
				sum = &store.Namespace{Name: n.GetName()}
				sums[n.GetName()] = sum
			}
			sum.Keys += n.GetKeys()
			sum.Bytes += n.GetBytes()
		}
		if n := len(all); part.GetFigures().GetMore() && n > 0 && (last == "" || all[n-1].GetName() < last) {
			last = all[n-1].GetName()
		}
	}
	weight, _ := v.weight()
	copies := min(int64(weight), int64(s.opts.Replicas))
	for _, sum := range sums {
		sum.Keys, sum.Bytes = (sum.Keys+copies-1)/copies, (sum.Bytes+copies-1)/copies
		page.Namespaces = append(page.Namespaces, *sum)
	}
	slices.SortFunc(page.Namespaces, func(a, b store.Namespace) int { return cmp.Compare(a.Name, b.Name) })
	keep := slices.IndexFunc(page.Namespaces, func(n store.Namespace) bool { return last != "" && n.Name > last })
	if keep < 0 {
		keep = len(page.Namespaces)
	}
	keep = min(keep, q.Limit)
	page.More = last != "" || keep < len(page.Namespaces)
	page.Namespaces = page.Namespaces[:keep]
	return page
}

// askFigures is how long a node has to tell what it has.
const askFigures = patience / 2

// Ring implements store.Ringed.
func (s *Store) Ring(ctx context.Context) (store.Ring, error) {
	v := s.view.Load()
	owned := make([]int, len(v.members))
	for _, owner := range v.Owner {
		if owner >= 0 {
			owned[owner]++
		}
	}
	ring := store.Ring{Replicas: s.opts.Replicas, Slots: slots, Node: s.name()}
	done := make(chan store.Node, len(v.members))
	for i, m := range v.members {
		s.work.Go(func() { done <- s.node(ctx, v, int16(i), m, float64(owned[i])/slots) }) //nolint:gosec // a ring is small
	}
	for range v.members {
		ring.Nodes = append(ring.Nodes, <-done)
	}
	slices.SortFunc(ring.Nodes, func(a, b store.Node) int { return cmp.Compare(a.Name, b.Name) })
	return ring, ctx.Err()
}

// node asks a member what it has.
func (s *Store) node(ctx context.Context, v *view, place int16, m member, share float64) store.Node {
	n := store.Node{Name: m.name, State: stateOf(m.state), Share: share, Started: time.UnixMicro(int64(m.birth))} //nolint:gosec // after 1970
	var a *ringpb.Answer
	if place == v.self {
		a = s.figures(&ringpb.Figures{})
	} else {
		p := s.peer(m.name)
		if n.Silent = p == nil; n.Silent {
			return n
		}
		ctx, cancel := context.WithTimeout(ctx, askFigures)
		defer cancel()
		var err error
		if a, err = p.acts.do(ctx, nil, &ringpb.Call{Figures: &ringpb.Figures{}}); err != nil {
			n.Silent = true
			return n
		}
	}
	f := a.GetFigures()
	n.Keys, n.Copies, n.Bytes, n.MaxBytes = f.GetKeys(), f.GetCopies(), f.GetBytes(), f.GetMaxBytes()
	n.Moving, n.Moved, n.Conflicts, n.Waiting = f.GetMoving(), f.GetMoved(), f.GetConflicts(), f.GetWaiting()
	return n
}

func stateOf(s ringpb.State) store.NodeState {
	switch s {
	case ringpb.State_STATE_SERVING:
		return store.Serving
	case ringpb.State_STATE_LEAVING:
		return store.Leaving
	default:
		return store.Joining
	}
}

// waiting says why this node does not answer for its keys, "" if it does.
func (s *Store) waiting() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, now := s.view.Load(), s.leaseClock()
	var silent []string
	for _, m := range v.members {
		p := s.peers[m.name]
		if m.name != s.self.name && m.answers() && (p == nil || p.leasedIn != v.id || p.leased <= now) {
			silent = append(silent, m.name)
		}
	}
	switch {
	case s.self.state == ringpb.State_STATE_LEFT:
		return "it has left the ring"
	case len(silent) > 0:
		return "ring: no lease from " + strings.Join(silent, ", ")
	case s.self.state == ringpb.State_STATE_JOINING:
		return joining
	}
	return ""
}

// joining is why a node is not ready that joins and hears of all others.
const joining = "ring: joining"

// Stats is what the memory of this node holds.
func (s *Store) Stats() memory.Stats { return s.local.Stats() }

// Stats is what a node does for others.
type Stats struct {
	Nodes     int   // that it knows, itself included
	Moving    int32 // slots to bring up to date on others
	Moved     int64 // items that were sent to that end
	Conflicts int64 // items that were written on both sides of a partition
}

// Progress returns the current figures.
func (s *Store) Progress() Stats {
	v := s.view.Load()
	return Stats{Nodes: len(v.members), Moving: v.moving.Load(), Moved: s.moved.Load(), Conflicts: s.conflicts.Load()}
}

func (s *Store) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.self.name
}
