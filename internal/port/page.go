package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// The door of the pages that a service serves: whoever asks for one calls, and the chain
// sees each call as it does at any other door.

// Call makes a unary call for whoever sent r, and fills rsp.
func (s *Server) Call(ctx context.Context, r *http.Request, endpoint string, req, rsp proto.Message) error {
	m, err := s.unaryMethod(endpoint, req, rsp)
	if err != nil {
		return err
	}
	return m.run(call.NewContext(ctx, s.asker(r, m)), s.asked(m, req), rsp)
}

// unaryMethod finds the method of an endpoint that takes and returns such messages.
func (s *Server) unaryMethod(endpoint string, req, rsp proto.Message) (*method, error) {
	m := s.table.byEndpoint[endpoint]
	if m == nil || !m.unary() || reflect.TypeOf(req).Elem() != m.in || reflect.TypeOf(rsp).Elem() != m.out {
		return nil, fmt.Errorf("no method %s of %T and %T", endpoint, req, rsp)
	}
	return m, nil
}

// Stream makes a call of one message that many answer for whoever sent r. An error of
// emit ends it and is returned.
func (s *Server) Stream(ctx context.Context, r *http.Request, endpoint string, req proto.Message, emit func(proto.Message) error) error {
	m := s.table.byEndpoint[endpoint]
	if m == nil || m.unary() || m.callerStreams {
		return fmt.Errorf("no server stream %s", endpoint)
	}
	ctx, cancel := s.streamContext(ctx)
	defer cancel()
	asked := s.asked(m, nil)
	out := &pageStream{ctx: call.NewContext(ctx, s.asker(r, m)), asked: asked, first: req, emit: emit}
	err := m.run(out.ctx, asked, out)
	if out.last != nil {
		return out.last
	}
	return s.leaving(err)
}

func (s *Server) asker(r *http.Request, m *method) *call.Call {
	return &call.Call{
		Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.Page, Stream: !m.unary(), Peer: r.RemoteAddr,
		Headers: call.HTTP(cookieless(r.Header)), Certificate: certificate(r.TLS),
	}
}

// cookieless leaves out what is between a browser and the page: a handler's own calls
// would send it on.
func cookieless(h http.Header) http.Header {
	own := maps.Clone(h)
	own.Del("Cookie")
	return own
}

func (s *Server) asked(m *method, body proto.Message) *request {
	return &request{service: s.conf.Name, endpoint: m.endpoint, contentType: "application/protobuf", body: body, stream: !m.unary()}
}

// pageStream is go-micro's server.Stream to a page.
type pageStream struct {
	ctx   context.Context //nolint:containedctx // server.Stream has a method for it
	asked server.Request
	first proto.Message // nil once it was read
	emit  func(proto.Message) error
	last  error
}

var _ server.Stream = (*pageStream)(nil)

func (p *pageStream) Context() context.Context { return p.ctx }
func (p *pageStream) Request() server.Request  { return p.asked }
func (p *pageStream) Error() error             { return p.last }
func (p *pageStream) Close() error             { return nil }

func (p *pageStream) Recv(msg any) error {
	if p.first == nil {
		return io.EOF
	}
	to, ok := msg.(proto.Message)
	if !ok || to.ProtoReflect().Descriptor() != p.first.ProtoReflect().Descriptor() {
		return rpcerr.New(codes.Internal, "internal", "the page sends another message")
	}
	proto.Merge(to, p.first)
	p.first = nil
	return nil
}

func (p *pageStream) Send(msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return errors.New("the method answers no message of protobuf")
	}
	p.last = p.emit(m)
	return p.last
}
