package port

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// connectHandler serves m over Connect and gRPC-Web. connect-go's handlers are
// generic; a frame is a type that they can be made for without generated code.
func (s *Server) connectHandler(m *method) http.Handler {
	opts := []connect.HandlerOption{
		connect.WithReadMaxBytes(s.conf.MaxMessage),
		connect.WithCompressMinBytes(s.conf.CompressMin),
		connect.WithCompression("gzip", func() connect.Decompressor { return &gunzip{most: int64(s.conf.MaxMessage)} },
			func() connect.Compressor { return gzip.NewWriter(io.Discard) }),
		connect.WithCodec(connectCodec{"proto", protobuf}),
		connect.WithCodec(connectCodec{"json", jsonText}),
		connect.WithCodec(connectCodec{"json; charset=utf-8", jsonText}),
	}
	if m.unary() {
		opts = append(opts, connect.WithRequestInitializer(func(_ connect.Spec, v any) error {
			v.(*frame).msg = m.newIn()
			return nil
		}))
		other := s.accounted(m, connect.NewUnaryHandler(m.path, func(ctx context.Context, r *connect.Request[frame]) (*connect.Response[frame], error) {
			return s.serveConnect(ctx, m, r)
		}, opts...))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if p, ok := plainCall(r, s.conf.MaxMessage); ok {
				s.servePlain(w, r, m, p)
				return
			}
			other.ServeHTTP(w, r)
		})
	}
	opts = append(opts, connect.WithInterceptors(takeover(func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return s.serveConnectStream(ctx, m, conn)
	})))
	switch {
	case !m.callerStreams:
		return s.accounted(m, connect.NewServerStreamHandler[frame, frame](m.path, nil, opts...))
	case !m.serverStreams:
		return s.accounted(m, connect.NewClientStreamHandler[frame, frame](m.path, nil, opts...))
	}
	return s.accounted(m, overHTTP1(connect.NewBidiStreamHandler[frame, frame](m.path, nil, opts...)))
}

func (s *Server) serveConnect(ctx context.Context, m *method, r *connect.Request[frame]) (*connect.Response[frame], error) {
	info, _ := connect.CallInfoForHandlerContext(ctx)
	c := &call.Call{
		Service: s.conf.Name, Endpoint: m.endpoint, Protocol: r.Peer().Protocol, Peer: r.Peer().Addr, Headers: call.HTTP(r.Header()),
		Certificate: enter(ctx).cert,
	}
	c.SetReplies(info.ResponseHeader(), info.ResponseTrailer())
	req := &request{
		service: s.conf.Name, endpoint: m.endpoint, contentType: r.Header().Get("Content-Type"), body: r.Msg.msg, bad: r.Msg.bad,
	}
	out := m.newOut()
	if err := m.run(call.NewContext(ctx, c), req, out); err != nil {
		return nil, rpcerr.From(err).Connect()
	}
	return connect.NewResponse(&frame{msg: out}), nil
}

func (s *Server) serveConnectStream(ctx context.Context, m *method, conn connect.StreamingHandlerConn) error {
	v := enter(ctx)
	c := &call.Call{
		Service: s.conf.Name, Endpoint: m.endpoint, Protocol: conn.Peer().Protocol, Stream: true, Peer: conn.Peer().Addr,
		Headers: call.HTTP(conn.RequestHeader()), Certificate: v.cert,
	}
	c.SetReplies(conn.ResponseHeader(), conn.ResponseTrailer())
	c.OnSendHeader(func() error { return conn.Send(nil) })
	box := &inbox{messages: &connectStream{conn, v.answer}, one: !m.callerStreams}
	if err := box.answer(s.serve(ctx, c, m, conn.RequestHeader().Get("Content-Type"), box)); err != nil {
		return rpcerr.From(err).Connect()
	}
	return nil
}

// connectStream is messages of a Connect or gRPC-Web stream.
type connectStream struct {
	conn   connect.StreamingHandlerConn
	answer *pacedWriter // what conn writes to
}

func (c *connectStream) recv(msg any) error {
	in := frame{msg: msg}
	err := c.conn.Receive(&in)
	switch {
	case err == nil:
		return in.bad
	case errors.Is(err, io.EOF): // wrapped, and handlers compare with ==
		return io.EOF
	}
	return err
}

func (c *connectStream) await(ctx context.Context, msg any) error {
	got := make(chan error, 1)
	go func() { got <- c.recv(msg) }() // ends with the call
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *connectStream) send(msg any) error {
	return c.answer.judge(c.conn.Send(&frame{msg: msg}))
}

// takeover is an interceptor that serves a stream itself. It is the only way to
// connect-go's untyped connection.
type takeover connect.StreamingHandlerFunc

func (t takeover) WrapUnary(f connect.UnaryFunc) connect.UnaryFunc { return f }

func (t takeover) WrapStreamingClient(f connect.StreamingClientFunc) connect.StreamingClientFunc {
	return f
}

func (t takeover) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return connect.StreamingHandlerFunc(t)
}

// overHTTP1 lets a caller that sends all before it reads (half duplex) use HTTP/1.1,
// which connect-go refuses for a bidirectional method.
func overHTTP1(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && http.NewResponseController(w).EnableFullDuplex() == nil {
			r.ProtoMajor, r.ProtoMinor = 2, 0
		}
		h.ServeHTTP(w, r)
	})
}

// visit is what connect-go does not tell its handlers, nor they it.
type visit struct {
	seen   bool // the chain sees the call
	cert   *x509.Certificate
	answer *pacedWriter // of a stream
}

type visitKey struct{}

// enter notes that the chain will see the call.
func enter(ctx context.Context) *visit {
	v := ctx.Value(visitKey{}).(*visit) // accounted has made it
	v.seen = true
	return v
}

// envelopes is what a request of one message may have around it. connect-go bounds the
// message, and then reads all that comes, be it without end.
const envelopes = 4 << 10

// accounted bounds what a request of one message takes to arrive, and shows the chain
// the calls that connect-go answers by itself: those that it cannot read.
func (s *Server) accounted(m *method, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := visit{cert: certificate(r.TLS)}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &a))
		conn := http.NewResponseController(w)
		if m.callerStreams {
			_ = conn.SetReadDeadline(time.Time{})                                       // fails on a closed connection, as below
			defer func() { _ = conn.SetReadDeadline(time.Now().Add(s.conf.Timeout)) }() // of what nobody has read
		} else {
			r.Body = &prompt{http.MaxBytesReader(w, r.Body, int64(s.conf.MaxMessage)+envelopes), conn}
		}
		if !m.unary() {
			a.answer = newPacedWriter(w, r, s.conf.WriteTimeout)
			defer a.answer.finish()
			w = a.answer
		}
		status := &statusWriter{ResponseWriter: w}
		h.ServeHTTP(status, r)
		if code := refusedCode(status); !a.seen && code != codes.OK {
			s.refused(r, m, rpcerr.New(code, "unreadable", "the request could not be read"))
		}
	})
}

// refused runs the chain for a call that was answered already.
func (s *Server) refused(r *http.Request, m *method, err error) {
	contentType := r.Header.Get("Content-Type")
	c := &call.Call{Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.Connect, Peer: r.RemoteAddr, Headers: call.HTTP(r.Header), Certificate: certificate(r.TLS)}
	switch {
	case isMuCP(r):
		c.Protocol = call.MuCP
	case strings.HasPrefix(contentType, "application/grpc-web"):
		c.Protocol = call.GRPCWeb
	}
	req := &request{service: s.conf.Name, endpoint: m.endpoint, contentType: contentType, bad: err}
	_ = m.run(call.NewContext(context.WithoutCancel(r.Context()), c), req, nil) // answered
}

// refusedCode is what connect-go has answered by itself to a call that it cannot read.
// Whatever it calls that, it is the caller's fault.
func refusedCode(w *statusWriter) codes.Code {
	code := codes.OK
	if w.code >= http.StatusBadRequest {
		code = rpcerr.FromHTTP(w.code)
	} else if n, err := strconv.ParseUint(w.Header().Get("Grpc-Status"), 10, 8); err == nil { // of gRPC-Web
		code = codes.Code(n)
	}
	if code == codes.Internal || code == codes.Unknown {
		return codes.InvalidArgument
	}
	return code
}

// statusWriter remembers the status. Unwrap lets http.ResponseController through.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Flush is what connect-go asks a writer of streams for.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// gunzip decompresses up to a byte more than most, which connect-go then refuses. It
// would go on to learn the size of what it refuses: a second of work for each MiB that
// the caller has sent.
type gunzip struct {
	gzip.Reader
	most, left int64
}

// Reset begins with another message.
func (g *gunzip) Reset(r io.Reader) error {
	g.left = g.most + 1
	return g.Reader.Reset(r)
}

func (g *gunzip) Read(b []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	n, err := g.Reader.Read(b[:min(int64(len(b)), g.left)])
	g.left -= int64(n)
	return n, err
}

// connectCodec reads and writes frames.
type connectCodec struct {
	name string
	enc  encoding
}

func (c connectCodec) Name() string { return c.name }

func (c connectCodec) Marshal(v any) ([]byte, error) { return c.MarshalAppend(nil, v) }

// MarshalAppend lets connect-go use its pooled buffers.
func (c connectCodec) MarshalAppend(b []byte, v any) ([]byte, error) {
	if f, ok := v.(*frame); ok {
		return c.enc.encode(b, f.msg)
	}
	return c.enc.encode(b, v) // the status that ends a call of gRPC-Web
}

// Unmarshal leaves what it cannot decode to the frame's owner.
func (c connectCodec) Unmarshal(data []byte, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("%T is no frame", v)
	}
	f.enc = c.enc
	if f.msg != nil {
		f.decode(data)
	}
	return nil
}
