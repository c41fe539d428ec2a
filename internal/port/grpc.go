package port

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"connectrpc.com/connect"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // registers what answers callers that compress
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/tap"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// newGRPC returns the server behind the gRPC door. Every method is a bidirectional
// stream to it: grpc-go answers a missing or second request of a unary call with
// Internal where the protocol wants Unimplemented, and of a server stream it awaits
// a half-close that go-micro's clients never send. inbox.Recv does both right.
func (s *Server) newGRPC() *grpc.Server {
	g := grpc.NewServer(
		grpc.ForceServerCodecV2(grpcCodec{}),
		grpc.UnknownServiceHandler(s.serveGRPC),
		grpc.InTapHandle(s.admitGRPC),
		grpc.MaxRecvMsgSize(s.conf.MaxMessage),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.MaxConcurrentStreams(maxStreamsPerConn),
		grpc.ConnectionTimeout(s.conf.Patience),
		grpc.SharedWriteBuffer(true),
		// A goroutine of its own for each call would grow its stack each time: a sixth
		// of the time of a call. Where all workers are busy there is one nevertheless.
		grpc.NumStreamWorkers(uint32(8*runtime.GOMAXPROCS(0))), //nolint:gosec // small
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	healthpb.RegisterHealthServer(g, &health{ready: s.ready, known: func(n string) bool { _, ok := s.services[n]; return ok }, done: s.draining.Done()})
	opts := reflection.ServerOptions{Services: s}
	reflectionv1.RegisterServerReflectionServer(g, reflection.NewServerV1(opts))
	reflectionv1alpha.RegisterServerReflectionServer(g, reflection.NewServer(opts))
	return g
}

// GetServiceInfo tells reflection what there is.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := map[string]grpc.ServiceInfo{healthpb.Health_ServiceDesc.ServiceName: {}, reflectionv1.ServerReflection_ServiceDesc.ServiceName: {}}
	for name := range s.services {
		all[name] = grpc.ServiceInfo{}
	}
	return all
}

// admitGRPC refuses a foreign host, and bounds a unary call from its first byte on:
// a caller that sends its request slowly has no longer than one that waits.
func (s *Server) admitGRPC(ctx context.Context, info *tap.Info) (context.Context, error) {
	if authority := info.Header.Get(":authority"); len(authority) > 0 && !s.hosts.allow(authority[0]) {
		return ctx, s.hosts.refusal(authority[0]).GRPC(isMicro(info.Header))
	}
	if m := s.table.path(info.FullMethodName); m == nil || !m.unary() {
		return ctx, nil
	}
	if _, ok := ctx.Deadline(); ok {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.conf.Timeout)
	return context.WithValue(ctx, bound{}, cancel), nil
}

// bound is the key of what releases the deadline that admitGRPC has set.
type bound struct{}

// serveGRPC is the handler of every method.
func (s *Server) serveGRPC(_ any, st grpc.ServerStream) error {
	if release, ok := st.Context().Value(bound{}).(context.CancelFunc); ok {
		defer release()
	}
	path, _ := grpc.MethodFromServerStream(st)
	md, _ := metadata.FromIncomingContext(st.Context())
	m := s.table.path(path)
	if m == nil {
		m = s.table.unknown
	}
	toMicro := isMicro(md)
	c := &call.Call{
		Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.GRPC, Stream: !m.unary(), Header: toHeader(md),
	}
	if p, ok := peer.FromContext(st.Context()); ok {
		c.Peer = p.Addr.String()
	}
	enc := protobuf
	if strings.HasSuffix(c.Header.Get("Content-Type"), "+json") {
		enc = jsonText
	}
	g := &grpcStream{ServerStream: st, call: c, frame: frame{enc: enc}}
	c.OnSendHeader(g.sendHeader)
	box := &inbox{messages: g, one: !m.callerStreams, lax: toMicro}
	err := s.serve(st.Context(), c, m, "application/grpc", box)
	g.finish()
	if err != nil {
		return rpcerr.From(err).GRPC(toMicro)
	}
	return nil
}

// isMicro tells go-micro's gRPC clients from others. They never half-close, and find
// code and message in a detail of their own.
func isMicro(md metadata.MD) bool { return len(md["x-content-type"]) > 0 }

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
	req.bad = box.Recv(in)
	req.body = in
	if err := m.run(ctx, req, out); err != nil {
		return err
	}
	return box.Send(out)
}

// messages is what gRPC's and Connect's streams have in common.
type messages interface {
	recv(msg any) error // io.EOF after the last
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
}

var _ server.Stream = (*inbox)(nil)

func (b *inbox) Context() context.Context { return b.ctx }
func (b *inbox) Request() server.Request  { return b.req }
func (b *inbox) Error() error             { return b.last }
func (b *inbox) Close() error             { return nil }
func (b *inbox) Send(m any) error         { return b.send(m) }

func (b *inbox) Recv(m any) error {
	if b.one && b.got {
		return io.EOF
	}
	err := b.recv(m)
	switch {
	case errors.Is(err, io.EOF) && b.one:
		return rpcerr.New(codes.Unimplemented, "no_request", "the call has no request message")
	case err != nil:
		b.last = err
		return err
	}
	b.got = true
	if b.one && !b.lax {
		return b.ended()
	}
	return nil
}

// ended awaits the caller's close and refuses a second message.
func (b *inbox) ended() error {
	switch err := b.recv(nil); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return rpcerr.New(codes.Unimplemented, "second_request", "the call has more than one request message")
	default:
		return err
	}
}

// grpcStream is messages of a gRPC call.
type grpcStream struct {
	grpc.ServerStream
	call  *call.Call
	frame frame
	sent  bool
}

func (g *grpcStream) recv(msg any) error {
	in := frame{enc: g.frame.enc, msg: msg}
	if err := g.RecvMsg(&in); err != nil {
		return err
	}
	return in.bad
}

func (g *grpcStream) send(msg any) error {
	if err := g.sendHeader(); err != nil {
		return err
	}
	g.frame.msg = msg
	return g.SendMsg(&g.frame)
}

// sendHeader sends or sets the reply's header, once.
func (g *grpcStream) sendHeader() error {
	header, _ := g.call.Replies()
	if g.sent || header == nil {
		return nil
	}
	g.sent = true
	return g.ServerStream.SendHeader(toMD(header))
}

// finish sets what goes out with the status.
func (g *grpcStream) finish() {
	header, trailer := g.call.Replies()
	if header != nil && !g.sent {
		_ = g.SetHeader(toMD(header)) // fails where the caller has left
	}
	if trailer != nil {
		g.SetTrailer(toMD(trailer))
	}
}

// toHeader gives metadata its wire form.
func toHeader(md metadata.MD) http.Header {
	h := make(http.Header, len(md))
	for k, vs := range md {
		if strings.HasSuffix(k, "-bin") {
			for _, v := range vs {
				h.Add(k, connect.EncodeBinaryHeader([]byte(v)))
			}
			continue
		}
		h[http.CanonicalHeaderKey(k)] = vs
	}
	return h
}

func toMD(h http.Header) metadata.MD {
	md := make(metadata.MD, len(h))
	for k, vs := range h {
		k = strings.ToLower(k)
		for _, v := range vs {
			if strings.HasSuffix(k, "-bin") {
				if b, err := connect.DecodeBinaryHeader(v); err == nil {
					v = string(b)
				}
			}
			md[k] = append(md[k], v)
		}
	}
	return md
}
