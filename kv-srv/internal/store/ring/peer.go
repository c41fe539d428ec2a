package ring

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// peer is another node, and what this one knows of it. Its fields but the links change
// under Store.mu.
type peer struct {
	member

	excluded uint64        // it is out as of this sequence; 0: it never was
	gone     bool          // its process has ended: no promise binds it
	granted  time.Duration // until when this node promised to let nobody take its place
	leased   time.Duration // until when, by leaseClock, it promised that to this node, in view leasedIn
	leasedIn uint64
	failing  time.Duration // since when it does not answer; 0: it does
	refusing int           // times in a row that nobody listened
	heardOf  uint64        // number of its last claim
	claimed  uint64        // the view that it has said to have last
	moving   int32         // and what it said to have to move in it
	provided []string      // and to whom it has given all
	parted   uint64        // version at which this node went on without it; 0: it did not

	complaint string // why it refused this node last

	conn  *grpc.ClientConn
	calls link // what may wait
	acts  link // what never waits for another node: replicating and the like
	now   chan struct{}
	stop  context.CancelFunc
}

// out tells whether the node is left out of the ring.
func (p *peer) out() bool { return p.excluded >= p.seq }

// meet begins to talk to a node. Store.mu is held.
func (s *Store) meet(m member) *peer {
	if s.ctx.Err() != nil {
		return nil // nobody would end it
	}
	conn, err := s.opts.Dial(m.name)
	if err != nil {
		s.opts.Log.Warn("a node of the ring cannot be called", "node", m.name, "error", err)
		return nil
	}
	p := &peer{member: m, conn: conn, now: make(chan struct{}, 1)}
	if before, ok := s.strangers[m.name]; ok {
		delete(s.strangers, m.name)
		p.excluded = before.excluded
		if m.seq <= before.seq {
			p.member = before.member
		}
		if m.birth == before.birth || p.out() {
			p.parted = before.parted
		}
	}
	ctx, stop := context.WithCancel(s.ctx)
	p.stop = stop
	for _, l := range []*link{&p.calls, &p.acts} {
		l.broken = p.hurry
		l.open = func(ctx context.Context) (grpc.ClientStream, error) {
			if err := s.awaitIn(ctx, p); err != nil {
				return nil, err
			}
			desc := &grpc.StreamDesc{StreamName: "Link", ClientStreams: true, ServerStreams: true}
			return conn.NewStream(s.prove(ctx, m.name), desc, "/micro.ring.v1.Ring/Link", grpc.MaxCallRecvMsgSize(maxAnswers))
		}
		s.work.Go(func() { l.run(ctx) })
	}
	s.work.Go(func() { s.talk(ctx, p) })
	s.peers[m.name] = p
	return p
}

// awaitIn waits until a node is not left out: what it is asked before may never be answered.
func (s *Store) awaitIn(ctx context.Context, p *peer) error {
	for {
		s.mu.Lock()
		out := p.out()
		s.mu.Unlock()
		if !out {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(beat / 8):
		}
	}
}

// hurry has the next word said at once.
func (p *peer) hurry() {
	select {
	case p.now <- struct{}{}:
	default:
	}
}

// talk tells a node of this one's claim, again and again, until ctx is done.
func (s *Store) talk(ctx context.Context, p *peer) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.now:
		case <-timer.C:
		}
		timer.Reset(s.say(ctx, p))
	}
}

// say tells a node of the claim once, and returns when to do so again.
func (s *Store) say(ctx context.Context, p *peer) time.Duration {
	s.mu.Lock()
	claim, name := s.claim(), p.name
	s.mu.Unlock()
	sent, asked := s.clock(), s.leaseClock()
	called, cancel := context.WithTimeout(s.prove(ctx, name), patience)
	defer cancel()
	var rsp ringpb.BeatResponse
	err := p.conn.Invoke(called, "/micro.ring.v1.Ring/Beat", &ringpb.BeatRequest{Claim: claim}, &rsp)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard(p, &rsp, claim.GetView(), asked)
		return beat
	}
	refused := ctx.Err() == nil && refuses(ctx, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complain(p, err)
	return s.unheard(p, sent, refused)
}

// complain logs why a node does not want to hear of this one, once for each reason: its
// key, or its clock.
func (s *Store) complain(p *peer, err error) {
	why := status.Convert(err)
	if why.Code() != codes.Unauthenticated || why.Message() == p.complaint {
		return
	}
	p.complaint = why.Message()
	s.opts.Log.Warn("a node refuses this one", "node", p.name, "why", p.complaint)
}

// refuses tells whether nobody listens on an address of a machine that is there.
func refuses(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: patience / 4}).DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// heard notes the answer of a node to what was said at a time of leaseClock, of a view.
func (s *Store) heard(p *peer, rsp *ringpb.BeatResponse, view uint64, sent time.Duration) {
	p.failing, p.refusing = 0, 0
	s.absorb(rsp.GetClaim())
	if v := s.view.Load(); rsp.GetGranted() && v.id == view && p.claimed == view {
		p.leased, p.leasedIn = sent+term, view
	}
	s.act()
}

// unheard notes that a node does not answer, and returns when to try again.
func (s *Store) unheard(p *peer, sent time.Duration, refused bool) time.Duration {
	s.wake()
	if p.failing == 0 {
		p.failing = max(sent, s.awake)
	}
	if refused {
		p.refusing++
	} else {
		p.refusing = 0
	}
	s.act()
	if refused && !p.gone {
		return beat / 8
	}
	return beat
}
