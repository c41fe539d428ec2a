package ring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// What keeps a call from its answer.
var (
	errUnsent = errors.New("the node is not connected")        // nothing was done
	errBroken = errors.New("the connection to the node broke") // it may have been done
	errLeft   = errors.New("the ring has changed")             // it may have been done
	errUntold = fmt.Errorf("%w, and nobody was told", errLeft) // it was not
)

// How much is sent in one message, and waits to be sent.
const (
	frameCalls = 256
	frameBytes = 1 << 20
	queueCalls = 1024
	maxAnswers = 16 << 20 // bytes in one message: of some, and then a large one
)

// link makes calls to a node, many at once over one stream, which run opens again
// whenever it breaks.
type link struct {
	open    func(context.Context) (grpc.ClientStream, error)
	broken  func()
	session atomic.Pointer[session]
}

// reset breaks the connection, and begins another: nothing may be awaited from it.
func (l *link) reset() {
	if s := l.session.Load(); s != nil {
		s.cancel()
	}
}

// session is one stream of a link.
type session struct {
	queue  chan *pending
	over   chan struct{}
	cancel context.CancelFunc

	mu    sync.Mutex
	last  uint64
	calls map[uint64]*pending
}

type pending struct {
	call   *ringpb.Call
	sent   atomic.Bool
	answer chan *ringpb.Answer
}

// do makes a call. It waits until the answer is there, ctx is done, or quit is closed:
// errLeft.
func (l *link) do(ctx context.Context, quit <-chan struct{}, call *ringpb.Call) (*ringpb.Answer, error) {
	s := l.session.Load()
	if s == nil {
		return nil, errUnsent
	}
	p := s.register(call)
	defer s.forget(call.GetId())
	select {
	case s.queue <- p:
	case <-s.over:
		return nil, errUnsent
	case <-quit:
		return nil, errLeft
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-p.answer:
		return a, nil
	case <-s.over:
		if p.sent.Load() {
			return nil, errBroken
		}
		return nil, errUnsent
	case <-quit:
		return nil, errLeft
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *session) register(call *ringpb.Call) *pending {
	p := &pending{call: call, answer: make(chan *ringpb.Answer, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	call.Id = s.last
	s.calls[call.GetId()] = p
	return p
}

func (s *session) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, id)
}

// run keeps the link open until ctx is done.
func (l *link) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.once(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		l.broken()
		select {
		case <-ctx.Done():
		case <-time.After(beat / 8):
		}
	}
}

// once opens a stream and serves it until it breaks.
func (l *link) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.open(ctx)
	if err != nil {
		return err
	}
	s := &session{queue: make(chan *pending, queueCalls), over: make(chan struct{}), cancel: cancel, calls: make(map[uint64]*pending)}
	var writer sync.WaitGroup
	writer.Go(func() { s.write(ctx, stream) })
	l.session.Store(s)
	err = s.read(stream)
	l.session.Store(nil)
	close(s.over)
	cancel()
	writer.Wait()
	return err
}

func (s *session) read(stream grpc.ClientStream) error {
	for {
		var rsp ringpb.LinkResponse
		if err := stream.RecvMsg(&rsp); err != nil {
			return err
		}
		s.deliver(rsp.GetAnswers())
	}
}

func (s *session) deliver(answers []*ringpb.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		if p := s.calls[a.GetId()]; p != nil {
			p.answer <- a // has room: an id is answered once, and then forgotten
			delete(s.calls, a.GetId())
		}
	}
}

// write sends what is queued, as much at once as there is. It ends with ctx, or when the
// stream takes no more, which read tells of.
func (s *session) write(ctx context.Context, stream grpc.ClientStream) {
	for {
		var p *pending
		select {
		case p = <-s.queue:
		case <-ctx.Done():
			return
		}
		req := &ringpb.LinkRequest{}
		for bytes := 0; p != nil; {
			p.sent.Store(true)
			req.Calls = append(req.Calls, p.call)
			bytes += proto.Size(p.call)
			p = nil
			if len(req.GetCalls()) < frameCalls && bytes < frameBytes {
				select {
				case p = <-s.queue:
				default:
				}
			}
		}
		if err := stream.SendMsg(req); err != nil {
			return
		}
	}
}
