package ring

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// Handler serves what other nodes ask of a node.
type Handler struct{ s *Store }

var _ ringpb.RingHandler = Handler{}

// Handler returns what is to be registered with the server of the node.
func (s *Store) Handler() Handler { return Handler{s} }

// Beat implements ringpb.RingHandler.
func (h Handler) Beat(ctx context.Context, req *ringpb.BeatRequest, rsp *ringpb.BeatResponse) error {
	s := h.s
	if err := s.proved(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.self.name == "" {
		return away("the node has not started")
	}
	p := s.absorb(req.GetClaim())
	s.act()
	v := s.view.Load()
	if p != nil && !p.out() && v.id == req.GetClaim().GetView() && v.find(p.name) >= 0 {
		p.granted = s.clock() + term
		rsp.Granted = true
	}
	rsp.Claim = s.claim()
	rsp.Proof = s.answerTo(ctx)
	return nil
}

// atOnce bounds the calls of one link that wait for something.
const atOnce = 1024

// Link implements ringpb.RingHandler.
func (h Handler) Link(ctx context.Context, stream ringpb.Ring_LinkStream) error {
	if err := h.s.proved(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	out := &replies{send: stream.Send, queue: make(chan *ringpb.Answer, queueCalls), lost: cancel}
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { out.run(ctx) })
	room := make(chan struct{}, atOnce)
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, call := range req.GetCalls() {
			if h.s.quick(call, func(a *ringpb.Answer) { out.put(ctx, call, a) }) {
				continue
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			h.s.busy.Add(1)
			work.Go(func() {
				out.put(ctx, call, h.s.slow(ctx, call))
				h.s.busy.Add(-1)
				<-room
			})
		}
	}
}

// replies sends the answers of a link, as many at once as there are.
type replies struct {
	send  func(*ringpb.LinkResponse) error
	queue chan *ringpb.Answer
	lost  func() // the caller is
}

func (r *replies) put(ctx context.Context, call *ringpb.Call, a *ringpb.Answer) {
	a.Id = call.GetId()
	select {
	case r.queue <- a:
	case <-ctx.Done():
	}
}

func (r *replies) run(ctx context.Context) {
	for {
		var a *ringpb.Answer
		select {
		case a = <-r.queue:
		case <-ctx.Done():
			return
		}
		rsp := &ringpb.LinkResponse{}
		for bytes := 0; a != nil; {
			rsp.Answers = append(rsp.Answers, a)
			bytes += proto.Size(a)
			a = nil
			if len(rsp.GetAnswers()) < frameCalls && bytes < frameBytes {
				select {
				case a = <-r.queue:
				default:
				}
			}
		}
		if r.send(rsp) != nil {
			r.lost()
			return
		}
	}
}

// quick answers what needs to wait for nothing, and returns whether it did.
func (s *Store) quick(call *ringpb.Call, answer func(*ringpb.Answer)) bool {
	switch {
	case call.GetRead() != nil:
		items, err := s.readHere(call.GetRead())
		if errors.Is(err, errLeft) {
			return false
		}
		answer(itemsOr(items, err))
	case call.GetReplicate() != nil:
		answer(s.replicated(call.GetReplicate()))
	case call.GetCompare() != nil:
		answer(s.compared(call.GetCompare()))
	case call.GetFill() != nil:
		answer(s.filled(call.GetFill()))
	case call.GetFind() != nil:
		answer(s.found(call.GetFind()))
	case call.GetFigures() != nil:
		answer(s.figures(call.GetFigures()))
	case call.GetWant().GetId() != 0:
		answer(s.wanted(call.GetWant()))
	case call.GetMark() != nil:
		answer(s.marked(call.GetMark()))
	default:
		return false
	}
	return true
}

// slow answers what waits until this node may answer, or for others.
func (s *Store) slow(ctx context.Context, call *ringpb.Call) *ringpb.Answer {
	timeout := maxWait
	if call.GetTimeout() != nil {
		timeout = min(timeout, call.GetTimeout().AsDuration())
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case call.GetRead() != nil:
		return itemsOr(s.readOwned(ctx, call.GetRead()))
	case call.GetWrite() != nil:
		a, err := s.decide(ctx, changeOf(call.GetWrite()))
		if err != nil {
			return failure(err)
		}
		return &ringpb.Answer{Written: &ringpb.Written{Version: a.Version, Sum: a.Sum}}
	case call.GetList() != nil:
		return itemsOr(s.listHere(ctx, call.GetList()))
	case call.GetLease() != nil:
		granted, err := s.leaseHere(ctx, call.GetLease())
		if err != nil {
			return failure(err)
		}
		return &ringpb.Answer{Granted: granted}
	case call.GetWant() != nil: // of no feed: of all watches here
		s.reach(ctx, call.GetWant().GetVersion())
		return &ringpb.Answer{}
	case call.GetOffer() != nil:
		if err := s.takeIn(ctx, call.GetOffer()); err != nil {
			return failure(err)
		}
		return &ringpb.Answer{}
	}
	return failure(errors.New("a call of a later version"))
}

// maxWait bounds the calls whose callers have no deadline.
const maxWait = 30 * time.Second

func itemsOr(items *ringpb.Items, err error) *ringpb.Answer {
	if err != nil {
		return failure(err)
	}
	return &ringpb.Answer{Items: items}
}

// changeOf is what a write does.
func changeOf(w *ringpb.Write) change.Change {
	ttl := w.GetTtl().AsDuration()
	switch w.GetOperation() {
	case ringpb.Write_OPERATION_DELETE:
		return change.Delete(w.GetNamespace(), store.Removal{Key: w.GetKey(), IfVersion: w.GetIfVersion(), RequestID: w.GetRequestId()})
	case ringpb.Write_OPERATION_INCREMENT:
		return change.Increment(w.GetNamespace(), store.Addition{Key: w.GetKey(), Delta: w.GetDelta(), TTL: ttl, RequestID: w.GetRequestId()})
	case ringpb.Write_OPERATION_TOUCH:
		return change.Touch(w.GetNamespace(), w.GetKey(), ttl)
	default:
		return change.Put(w.GetNamespace(), store.Write{
			Key: w.GetKey(), Value: w.GetValue(), Metadata: w.GetMetadata(), TTL: ttl,
			IfAbsent: w.GetIfAbsent(), IfVersion: w.GetIfVersion(), RequestID: w.GetRequestId(),
		})
	}
}

// inView does something in the view of another node, or answers that it moved.
func (s *Store) inView(id uint64, do func(*view) *ringpb.Answer) *ringpb.Answer {
	s.gate.RLock()
	defer s.gate.RUnlock()
	v := s.view.Load()
	if v.id != id {
		return failure(errMoved)
	}
	return do(v)
}

// replicated stores what the owner of some keys has decided. It may do so in the view before,
// until it has said in this one that nobody takes a place: until then nobody does.
func (s *Store) replicated(r *ringpb.Replicate) *ringpb.Answer {
	s.gate.RLock()
	defer s.gate.RUnlock()
	v := s.view.Load()
	if r.GetView() != v.id && (r.GetView() != v.before || v.established.Load()) {
		return failure(errMoved)
	}
	for _, rec := range r.GetRecords() {
		c := copyOf(rec)
		c.Old = r.GetOld()
		if _, err := s.local.Apply(c); err != nil {
			return failure(err)
		}
	}
	return &ringpb.Answer{}
}

func (s *Store) compared(c *ringpb.Compare) *ringpb.Answer {
	return s.inView(c.GetView(), func(*view) *ringpb.Answer {
		n := &ringpb.Numbers{}
		for i, slot := range c.GetSlots() {
			if slot < 0 || slot >= slots || i >= len(c.GetDigests()) {
				return failure(errors.New("no such slot"))
			}
			if s.local.Digest(int(slot)) != c.GetDigests()[i] {
				n.Values = append(n.Values, slot)
			}
		}
		return &ringpb.Answer{Numbers: n}
	})
}

func (s *Store) found(f *ringpb.Find) *ringpb.Answer {
	c := memory.Copy{Namespace: f.GetNamespace()}
	c.Item, _, _ = s.local.Look(f.GetNamespace(), f.GetKey(), request.Name{})
	if c.Item.Version == 0 {
		c.Item = store.Item{Key: f.GetKey(), Version: s.local.Tombstone(f.GetNamespace(), f.GetKey())}
		c.Gone = true
	} else {
		c.Request, c.Answer = s.requestOf(placement.Slot(f.GetNamespace(), f.GetKey()), c)
	}
	return &ringpb.Answer{Items: &ringpb.Items{Records: []*ringpb.Record{recordOf(c)}}}
}

// requestOf returns the request that wrote an item as it is, if it is remembered: who takes
// the item over must know that it was done.
func (s *Store) requestOf(slot int, c memory.Copy) (request.Name, request.Answer) {
	for _, r := range s.local.Requests(slot) {
		if !c.Gone && r.Answer.Version == c.Item.Version {
			return request.Name{Sum: r.Sum, Given: true}, r.Answer
		}
	}
	return request.Name{}, request.Answer{}
}

// takeIn takes from a node that has come back what is later than what is here.
func (s *Store) takeIn(ctx context.Context, o *ringpb.Offer) error {
	if len(o.GetRecords()) == 0 {
		return nil
	}
	slot := placement.Slot(o.GetRecords()[0].GetNamespace(), o.GetRecords()[0].GetKey())
	end, err := s.turn(ctx, slot)
	if err != nil {
		return err
	}
	defer end()
	v, err := s.owning(ctx, slot)
	if err != nil {
		return err
	}
	if v.id != o.GetView() {
		return errMoved
	}
	var news []memory.Copy
	for _, rec := range o.GetRecords() {
		c := copyOf(rec)
		here := s.here(c.Namespace, c.Item.Key)
		if c.Item.Version != here && min(c.Item.Version, here) > o.GetCommon() {
			s.conflicts.Add(1)
		}
		if s.news(c) {
			news = append(news, c)
		}
	}
	if len(news) == 0 {
		return nil
	}
	err = s.adopt(ctx, v, slot, news...)
	for i := 0; errors.Is(err, store.ErrFull) && i < len(news); i++ {
		if one := s.adopt(ctx, v, slot, news[i]); errors.Is(one, store.ErrFull) {
			s.opts.Log.ErrorContext(ctx, "an item of a node that has come back is lost: there is no room for it", "namespace", news[i].Namespace)
		} else if one != nil {
			return one
		}
		if i == len(news)-1 {
			return nil
		}
	}
	return err
}
