package port

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// serve runs m on the messages of either gRPC or Connect; a unary method is a stream
// of one message each way to them.
func (s *Server) serve(ctx context.Context, c *call.Call, m *method, contentType string, box *inbox) error {
	req := &request{service: s.conf.Name, endpoint: m.endpoint, contentType: contentType, stream: !m.unary()}
	ctx = call.NewContext(ctx, c)
	switch {
	case m == s.table.unknown:
		return m.run(ctx, req, nil)
	case !m.unary():
		ctx, cancel := s.streamContext(ctx)
		defer cancel()
		box.ctx, box.req = ctx, req
		return s.leaving(m.run(ctx, req, box))
	}
	in, out := m.newIn(), m.newOut()
	if req.bad = box.Recv(in); req.bad != nil { // where it failed, the libraries cancel ctx
		ctx = context.WithoutCancel(ctx)
	}
	req.body = in
	if err := m.run(ctx, req, out); err != nil {
		return err
	}
	return box.Send(out)
}

// messages is what gRPC's and Connect's streams have in common.
type messages interface {
	recv(msg any) error                       // io.EOF after the last
	await(ctx context.Context, msg any) error // is recv, and ends with ctx
	send(msg any) error
}

// inbox is go-micro's server.Stream over messages. One goroutine may send while
// another receives.
type inbox struct {
	messages
	ctx  context.Context //nolint:containedctx // server.Stream has a method for it
	req  server.Request
	one  bool // the caller sends exactly one message, then closes: anything else is refused
	lax  bool // with one: do not await the close
	got  bool
	last error
	told error // instead of what the handler returns

	stalled atomic.Pointer[error] // of Send, which may run beside Recv
}

var _ server.Stream = (*inbox)(nil)

func (b *inbox) Context() context.Context { return b.ctx }
func (b *inbox) Request() server.Request  { return b.req }
func (b *inbox) Close() error             { return nil }

// Error is what has ended the stream.
func (b *inbox) Error() error {
	if err := b.stalled.Load(); err != nil {
		return *err
	}
	return b.last
}

func (b *inbox) Send(m any) error {
	err := b.send(m)
	if err != nil {
		b.failed(err)
	}
	return err
}

// failed notes a stall.
func (b *inbox) failed(err error) {
	if hasStalled(err) {
		b.stalled.Store(&err)
	}
}

func (b *inbox) Recv(m any) error {
	if b.one && b.got {
		return io.EOF
	}
	err := b.next(m)
	switch {
	case errors.Is(err, io.EOF) && b.one:
		return rpcerr.New(codes.Unimplemented, "unimplemented", "the call has no request message")
	case err != nil:
		b.last = err
		return b.blame(err)
	}
	b.got = true
	if b.one && !b.lax {
		return b.blame(b.ended())
	}
	return nil
}

// next is recv. That of a caller that may say nothing for long ends with the stream's
// context: what the libraries know of ends with the caller alone.
func (b *inbox) next(m any) error {
	if b.one {
		return b.recv(m)
	}
	return b.await(b.ctx, m)
}

// blame makes the caller's fault of what a library calls internal: a message that it
// cannot read. The protocols want that code nevertheless, so the caller gets it.
func (b *inbox) blame(err error) error {
	if errors.Is(err, io.EOF) || rpcerr.Code(err) != codes.Internal {
		return err
	}
	b.told = err
	return rpcerr.Invalid("request", "%s", brief(rpcerr.From(err).Message))
}

// answer is what the caller gets for err.
func (b *inbox) answer(err error) error {
	if err != nil && b.told != nil {
		return b.told
	}
	return err
}

// ended awaits the caller's close and refuses a second message.
func (b *inbox) ended() error {
	switch err := b.recv(nil); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return rpcerr.New(codes.Unimplemented, "unimplemented", "the call has more than one request message")
	default:
		return err
	}
}
