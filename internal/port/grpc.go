package port

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // registers what answers callers that compress
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
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
	opts := []grpc.ServerOption{
		grpc.Creds(shaken{}),
		grpc.ForceServerCodecV2(grpcCodec{}),
		grpc.UnknownServiceHandler(s.serveGRPC),
		grpc.InTapHandle(s.admitGRPC),
		grpc.MaxRecvMsgSize(s.conf.MaxMessage),
		grpc.MaxHeaderListSize(uint32(s.conf.MaxHeader)),         //nolint:gosec // small
		grpc.MaxConcurrentStreams(uint32(s.conf.MaxConnStreams)), //nolint:gosec // small
		grpc.ConnectionTimeout(s.conf.Patience),
		// A goroutine of its own for each call would grow its stack each time: a sixth
		// of the time of a call. Where all workers are busy there is one nevertheless.
		grpc.NumStreamWorkers(uint32(32 * runtime.GOMAXPROCS(0))), //nolint:gosec // small
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: s.conf.KeepAlive, Timeout: pingTimeout, MaxConnectionIdle: s.conf.Idle}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	g := grpc.NewServer(opts...)
	to := pacing{g, s}
	healthpb.RegisterHealthServer(to, &health{ready: s.ready, known: func(n string) bool { _, ok := s.services[n]; return ok }, done: s.draining.Done()})
	what := reflection.ServerOptions{Services: s}
	reflectionv1.RegisterServerReflectionServer(to, reflection.NewServerV1(what))
	reflectionv1alpha.RegisterServerReflectionServer(to, reflection.NewServer(what))
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

// admission is what admitGRPC has found out about a call.
type admission struct {
	method *method
	md     metadata.MD
}

type admissionKey struct{}

// admitGRPC refuses a foreign host.
func (s *Server) admitGRPC(ctx context.Context, info *tap.Info) (context.Context, error) {
	if authority := info.Header[":authority"]; len(authority) > 0 && !s.serves(authority[0]) {
		return ctx, s.hosts.refusal(authority[0]).GRPC(isMicro(info.Header))
	}
	a := &admission{method: s.table.path(info.FullMethodName), md: info.Header}
	if a.method == nil {
		a.method = s.table.unknown
	}
	return context.WithValue(ctx, admissionKey{}, a), nil
}

// serveGRPC is the handler of every method.
func (s *Server) serveGRPC(_ any, st grpc.ServerStream) error {
	a, ok := st.Context().Value(admissionKey{}).(*admission)
	if !ok {
		return rpcerr.New(codes.Internal, "internal", "a call was not admitted").GRPC(false)
	}
	m, toMicro := a.method, isMicro(a.md)
	g := &grpcCall{
		call: call.Call{Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.GRPC, Stream: !m.unary(), Headers: grpcHeaders(a.md)},
		box:  inbox{one: !m.callerStreams, lax: toMicro},
	}
	g.stream = grpcStream{call: &g.call, pacedStream: pacedStream{ServerStream: st, micro: toMicro}, prompt: promptStream{on: st, micro: toMicro}}
	g.stream.pace.init(s.conf.WriteTimeout, &g.stream)
	defer g.stream.stop()
	if m.callerStreams {
		g.stream.ahead = newAhead(g.stream.take)
	} else if _, ok := st.Context().Deadline(); !ok {
		g.stream.prompt.pace.init(s.conf.Timeout, &g.stream.prompt)
	}
	g.box.messages = &g.stream
	from := callerOf(st.Context())
	g.call.Peer, g.call.Certificate, g.stream.conn = from.addr, certificate(from.tls), from.conn
	if v := a.md["content-type"]; len(v) > 0 {
		g.stream.out.enc, g.stream.bad = grpcEncoding(v[0])
	}
	g.call.OnSendHeader(g.stream.sendHeader)
	err := g.box.answer(s.serve(st.Context(), &g.call, m, "application/grpc", &g.box))
	g.stream.finish()
	g.stream.flush()
	if err != nil {
		return rpcerr.From(err).GRPC(toMicro)
	}
	return nil
}

// grpcEncoding is how the messages of a call are written. grpc-go has refused what does
// not begin with application/grpc.
func grpcEncoding(contentType string) (encoding, error) {
	_, name, _ := strings.Cut(contentType, "+")
	switch name, _, _ = strings.Cut(name, ";"); strings.ToLower(strings.TrimSpace(name)) {
	case "", "proto", "bytes": // the last is a message that go-micro's client has from its caller
		return protobuf, nil
	case "json":
		return jsonText, nil
	}
	return protobuf, rpcerr.New(codes.Unimplemented, "unknown_codec",
		"Content-Type: %q is not served: use application/grpc+proto or application/grpc+json", contentType)
}

// grpcCall is all that a call needs, in one piece of memory.
type grpcCall struct {
	call   call.Call
	stream grpcStream
	box    inbox
}

// grpcHeaders is call.Headers of a gRPC call.
type grpcHeaders metadata.MD

func (h grpcHeaders) Each(f func(string, []string)) {
	for name, values := range h {
		if !strings.HasSuffix(name, "-bin") {
			f(name, values)
			continue
		}
		text := make([]string, len(values))
		for i, v := range values {
			text[i] = connect.EncodeBinaryHeader([]byte(v))
		}
		f(name, text)
	}
}

// isMicro tells go-micro's gRPC clients from others. They never half-close, and find
// code and message in a detail of their own.
func isMicro(md metadata.MD) bool { return len(md["x-content-type"]) > 0 }

// grpcStream is messages of a gRPC call.
type grpcStream struct {
	pacedStream

	call    *call.Call
	bad     error // of how the caller writes messages
	in, out frame
	sent    bool
	ahead   *ahead       // of a caller that sends more than one message
	prompt  promptStream // of all others
}

func (g *grpcStream) recv(msg any) error {
	if g.bad != nil {
		return g.bad
	}
	g.in = frame{enc: g.out.enc, msg: msg}
	if err := g.prompt.RecvMsg(&g.in); err != nil {
		return err
	}
	return g.in.bad
}

// take returns the next message as it came.
func (g *grpcStream) take() (mem.Buffer, error) {
	g.in = frame{keep: true}
	err := g.RecvMsg(&g.in)
	return g.in.raw, err
}

func (g *grpcStream) await(ctx context.Context, msg any) error {
	if g.bad != nil {
		return g.bad
	}
	data, err := g.ahead.recv(ctx)
	if err != nil {
		return err
	}
	defer data.Free()
	return g.out.enc.decode(data.ReadOnlyData(), msg)
}

func (g *grpcStream) send(msg any) error {
	if err := g.sendHeader(); err != nil {
		return err
	}
	g.out.msg = msg
	return g.SendMsg(&g.out)
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

// stop ends what goes on beside the handler.
func (g *grpcStream) stop() {
	g.pace.stop()
	g.prompt.pace.stop()
	if g.ahead != nil {
		g.ahead.stop()
	}
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
