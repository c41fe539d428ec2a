package ring

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// batch is some changes of one node. All up to a version are in this or in earlier ones.
type batch struct {
	place  int
	events []store.Event
	upTo   uint64
}

// feedHere emits the changes of a namespace that this node decides in a view. It returns
// errMoved when the view has changed.
//
// What it says to be complete was so while it had the view: nobody decides in the next
// one before this node has entered it, and told how far its versions are.
func (s *Store) feedHere(ctx context.Context, v *view, namespace string, from uint64, want <-chan uint64, emit func([]store.Event, uint64) error) error {
	if !s.complete(v, from) {
		return store.ErrCompacted
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the feed
		select {
		case <-v.left:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.local.Feed(ctx, namespace, from, v.owns, want, func(events []store.Event, upTo uint64) error {
		if s.view.Load() != v {
			return errMoved
		}
		return emit(events, upTo)
	})
	if s.view.Load() != v {
		return errMoved
	}
	return err
}

// complete tells whether this node knows all changes after a version to what it answers
// for.
func (s *Store) complete(v *view, from uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot := range slots {
		if v.owns(slot) && from < s.have[slot] {
			return false
		}
	}
	return true
}

// Feed implements ringpb.RingHandler.
func (h Handler) Feed(ctx context.Context, req *ringpb.FeedRequest, stream ringpb.Ring_FeedStream) error {
	s := h.s
	if err := s.proved(ctx); err != nil {
		return err
	}
	want := make(chan uint64, 1)
	s.feeds.Store(req.GetId(), want)
	defer s.feeds.Delete(req.GetId())
	v, err := s.serving(ctx, req.GetView())
	if err != nil {
		return away("%v", err)
	}
	err = s.feedHere(ctx, v, req.GetNamespace(), req.GetFrom(), want, func(events []store.Event, upTo uint64) error {
		return sendEvents(stream, req.GetNamespace(), events, upTo)
	})
	if errors.Is(err, store.ErrCompacted) || errors.Is(err, store.ErrLagging) {
		return stream.Send(&ringpb.FeedResponse{}) // of version 0: it cannot go on from there
	}
	return away("%v", err)
}

// sendEvents sends changes up to a version, in messages of a bounded size.
func sendEvents(stream ringpb.Ring_FeedStream, namespace string, events []store.Event, upTo uint64) error {
	size := 0
	for i := 0; i < len(events); i++ {
		if size += events[i].Item.Size(); size <= frameBytes || i == 0 {
			continue
		}
		if err := stream.Send(feedResponse(namespace, events[:i], events[i].Version-1)); err != nil {
			return err
		}
		events, i, size = events[i:], 0, events[i].Item.Size()
	}
	return stream.Send(feedResponse(namespace, events, upTo))
}

// wanted passes a wish on to a feed, or answers that it is not there, or not yet.
func (s *Store) wanted(w *ringpb.Want) *ringpb.Answer {
	c, _ := s.feeds.Load(w.GetId())
	want, ok := c.(chan uint64)
	if !ok {
		return failure(errMoved)
	}
	replace(want, w.GetVersion())
	return &ringpb.Answer{}
}

// replace puts a version into a channel that has room for one, whose only sender is the
// caller.
func replace(want chan uint64, version uint64) {
	select {
	case <-want:
	default:
	}
	select {
	case want <- version:
	default:
	}
}

func feedResponse(namespace string, events []store.Event, upTo uint64) *ringpb.FeedResponse {
	rsp := &ringpb.FeedResponse{Version: upTo}
	for _, e := range events {
		rsp.Events = append(rsp.Events, &ringpb.FeedResponse_Event{
			Kind:   ringpb.FeedResponse_Event_Kind(e.Kind) - 1, //nolint:gosec // they have the same order, after Progress
			Record: recordOf(memory.Copy{Namespace: namespace, Item: e.Item}), Version: e.Version,
		})
	}
	return rsp
}

func eventOf(p *ringpb.FeedResponse_Event) store.Event {
	return store.Event{Kind: store.Kind(p.GetKind()) + 1, Version: p.GetVersion(), Item: itemOf(p.GetRecord())}
}

// feedFrom emits the changes that another node decides.
func (s *Store) feedFrom(ctx context.Context, v *view, place int, namespace string, from uint64, want <-chan uint64, emit func([]store.Event, uint64) error) error {
	name := v.members[place].name
	p := s.peer(name)
	if p == nil {
		return errUnsent
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.conn.NewStream(s.prove(ctx, name), &grpc.StreamDesc{StreamName: "Feed", ServerStreams: true}, "/micro.ring.v1.Ring/Feed")
	if err != nil {
		return errUnsent
	}
	id := max(rand.Uint64(), 1) //nolint:gosec // it tells feeds apart, and is no secret
	if err := errors.Join(stream.SendMsg(&ringpb.FeedRequest{View: v.id, Namespace: namespace, From: from, Id: id}), stream.CloseSend()); err != nil {
		return errUnsent
	}
	go p.tellWishes(ctx, v, id, want) // ends with ctx
	for {
		var rsp ringpb.FeedResponse
		if err := stream.RecvMsg(&rsp); err != nil {
			return errBroken
		}
		if rsp.GetVersion() == 0 {
			return store.ErrCompacted
		}
		events := make([]store.Event, len(rsp.GetEvents()))
		for i, e := range rsp.GetEvents() {
			events[i] = eventOf(e)
		}
		if err := emit(events, rsp.GetVersion()); err != nil {
			return err
		}
	}
}

// wishPause is how long a wish waits that did not reach its feed.
const wishPause = beat / 40

// tellWishes tells a feed of a node what is wanted of it, the last wish until it has
// arrived. It ends with ctx, or with the view.
func (p *peer) tellWishes(ctx context.Context, v *view, id uint64, want <-chan uint64) {
	var version uint64
	var again <-chan time.Time
	for {
		select {
		case version = <-want:
		case <-again:
		case <-v.left:
			return
		case <-ctx.Done():
			return
		}
		a, err := p.acts.do(ctx, v.left, &ringpb.Call{Want: &ringpb.Want{Id: id, Version: version}})
		if again = nil; err != nil || outcome(a) != nil {
			again = time.After(wishPause)
		}
	}
}

// marks asks all who answer for keys in a view how far they are. It returns the latest
// version that any of them knew, and then one up to which nothing is under way anywhere.
func (s *Store) marks(ctx context.Context, v *view) (latest, watermark uint64, err error) {
	for range 2 { // the second time all know what any knew the first time
		mark := &ringpb.Mark{Version: latest}
		all, err := s.each(ctx, v, func() (*ringpb.Answer, error) { return s.marked(mark), nil },
			func() *ringpb.Call { return &ringpb.Call{Mark: mark} })
		if err != nil {
			return 0, 0, err
		}
		watermark = 0
		for _, a := range all {
			latest = max(latest, a.GetMark().GetVersion())
			if w := a.GetMark().GetWatermark(); watermark == 0 || w < watermark {
				watermark = w
			}
		}
	}
	return latest, watermark, nil
}

func (s *Store) marked(m *ringpb.Mark) *ringpb.Answer {
	s.local.Advance(m.GetVersion())
	return &ringpb.Answer{Mark: &ringpb.MarkAnswer{Watermark: s.local.Watermark(), Version: s.local.Version()}}
}
