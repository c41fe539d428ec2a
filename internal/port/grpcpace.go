package port

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// pacedStream is a stream of grpc-go whose caller has a time to take each message.
type pacedStream struct {
	grpc.ServerStream

	pace  pace
	micro bool  // the caller is go-micro's client
	conn  *conn // that of the caller; nil: not known

	begun bool
	last  int  // bytes of the last message that grpc-go has taken over
	gone  bool // conn knows of what the caller has not taken
}

// roomGRPC is what grpc-go keeps of a stream for a caller that does not read: a message
// waits where it has as much, and is kept whole where it has less.
const roomGRPC = 64 << 10

// SendMsg implements grpc.ServerStream.
func (p *pacedStream) SendMsg(m any) error {
	if p.begun { // the first finds room
		p.pace.begin()
	}
	err := p.ServerStream.SendMsg(m)
	if p.begun {
		p.pace.end()
	}
	p.begun = true
	if f, ok := m.(*frame); ok && err == nil {
		p.last = f.size
	}
	return p.judge(err)
}

// judge says why a message could not be sent.
func (p *pacedStream) judge(err error) error {
	if err == nil || !p.pace.late.Load() {
		return err
	}
	if !p.gone && p.conn != nil {
		p.gone = true
		p.conn.abandon(roomGRPC + p.last)
	}
	return stalled(p.pace.limit).Because(err)
}

// flush waits for the caller to take all but what grpc-go has room for, so that large
// answers do not pile up behind a handler that has ended. It sends an empty frame, which
// waits as a message does, and which callers skip.
func (p *pacedStream) flush() {
	if p.last > roomGRPC && !p.gone {
		_ = p.SendMsg(new(grpc.PreparedMsg)) // the caller is told
	}
}

// cut implements cutter.
func (p *pacedStream) cut() { endGRPC(p.Context(), stalled(p.pace.limit).GRPC(p.micro)) }

// endGRPC ends a call for its caller, and every wait of grpc-go for that: a context that
// is made of the stream's does not.
func endGRPC(ctx context.Context, err error) {
	st, ok := grpc.ServerTransportStreamFromContext(ctx).(interface{ WriteStatus(*status.Status) error })
	if ok {
		_ = st.WriteStatus(status.Convert(err)) // the caller may have left
	}
}

// callerOf returns what is known of the connection of a call.
func callerOf(ctx context.Context) *caller {
	if p, ok := peer.FromContext(ctx); ok {
		if c, ok := p.AuthInfo.(*caller); ok {
			return c
		}
	}
	return &caller{}
}

// promptStream is one whose request must arrive in time, where there is a limit.
type promptStream struct {
	pace  pace
	on    grpc.ServerStream
	micro bool
}

// cut implements cutter.
func (s *promptStream) cut() { endGRPC(s.on.Context(), incomplete().GRPC(s.micro)) }

// RecvMsg is that of the stream.
func (s *promptStream) RecvMsg(m any) error {
	if s.pace.limit == 0 {
		return s.on.RecvMsg(m)
	}
	s.pace.begin()
	err := s.on.RecvMsg(m)
	s.pace.end()
	if err != nil && s.pace.late.Load() {
		return incomplete().Because(err)
	}
	return err
}

// pacing registers services of grpc-go, with paced streams.
type pacing struct {
	*grpc.Server

	server *Server
}

// RegisterService implements grpc.ServiceRegistrar.
func (p pacing) RegisterService(desc *grpc.ServiceDesc, impl any) {
	paced := *desc
	paced.Streams = slices.Clone(desc.Streams)
	for i := range paced.Streams {
		serve := paced.Streams[i].Handler
		paced.Streams[i].Handler = func(srv any, st grpc.ServerStream) error {
			own := &pacedStream{ServerStream: st, conn: callerOf(st.Context()).conn}
			own.pace.init(p.server.conf.WriteTimeout, own)
			defer own.pace.stop()
			return serve(srv, own)
		}
	}
	p.Server.RegisterService(&paced, impl)
}
