package port

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// The go-micro RPC door. A call is a POST to "/" whose headers name the endpoint and
// whose body is the message; the answer is 200 also for an error, which stands in a
// header. go-micro's own server is not used for it: it loses responses, corrupts
// streams, never answers a panic and does not notice that a caller has left
// (port_test.go shows each).

// Headers of go-micro RPC, in the form that net/http gives them.
const (
	headerEndpoint = "Micro-Endpoint"
	headerMethod   = "Micro-Method"
	headerService  = "Micro-Service"
	headerID       = "Micro-Id"
	headerStream   = "Micro-Stream"
	headerError    = "Micro-Error"
	headerTopic    = "Micro-Topic"
	headerTimeout  = "Timeout" // nanoseconds
)

// endOfStream in headerError ends a stream without an error.
const endOfStream = "EOS"

func isMuCP(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/" &&
		(micro(r.Header, headerEndpoint) != "" || micro(r.Header, headerMethod) != "" || micro(r.Header, headerService) != "" || r.Header.Get(headerTopic) != "")
}

// micro returns a header under its name, or under that of go-micro before 1.0.
func micro(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if v := h["X-"+name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// muCPMethod finds the method of a call, by its endpoint or (before 1.0) its method.
func (s *Server) muCPMethod(h http.Header) *method {
	for _, name := range []string{headerEndpoint, headerMethod} {
		if m := s.table.byEndpoint[micro(h, name)]; m != nil {
			return m
		}
	}
	return s.table.unknown
}

// muCPEncoding is how the messages of a call are written.
func muCPEncoding(contentType string) (encoding, error) {
	t := contentType
	if parsed, _, err := mime.ParseMediaType(contentType); err == nil {
		t = parsed
	}
	switch t {
	case "application/protobuf", "":
		return protobuf, nil
	case "application/json":
		return microJSON, nil
	}
	return protobuf, rpcerr.Invalid("Content-Type", "%q is not served: use application/protobuf or application/json", contentType)
}

func (s *Server) serveMuCP(w http.ResponseWriter, r *http.Request) {
	m := s.muCPMethod(r.Header)
	c := &call.Call{Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.MuCP, Stream: !m.unary(), Peer: r.RemoteAddr, Headers: call.HTTP(r.Header), Certificate: certificate(r.TLS)}
	if r.Header.Get(headerStream) != "" {
		s.serveMuCPStream(w, r, m, c)
		return
	}
	ctx, cancel := muCPDeadline(r)
	defer cancel()
	ctx = call.NewContext(ctx, c)
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	body, err := s.muCPUnary(ctx, w, r, m, buf)
	answerMuCP(w, r, body, err)
}

// answerMuCP answers a unary call, or the opening of a stream that is refused.
func answerMuCP(w http.ResponseWriter, r *http.Request, body []byte, err error) {
	h := w.Header()
	h["Content-Type"] = r.Header["Content-Type"]
	for _, name := range []string{headerID, headerService, headerMethod, headerEndpoint} {
		if v := micro(r.Header, name); v != "" {
			h[name] = []string{v}
		}
	}
	if err != nil {
		h[headerError] = []string{muCPFault(err)}
		body = nil
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body) //nolint:gosec // no page; and the caller may have left
}

// muCPUnary returns the answer to a unary call. It may be in buf.
func (s *Server) muCPUnary(ctx context.Context, w http.ResponseWriter, r *http.Request, m *method, buf *buffer) ([]byte, error) {
	req := &request{service: s.conf.Name, endpoint: m.endpoint, contentType: r.Header.Get("Content-Type")}
	if !m.unary() {
		if m != s.table.unknown {
			req.bad = rpcerr.Invalid(headerStream, "%s is a stream", m.endpoint)
		}
		return nil, m.run(ctx, req, nil)
	}
	var enc encoding
	enc, req.bad = muCPEncoding(req.contentType)
	return s.unary(ctx, w, r, m, req, enc, buf)
}

// unary returns the answer to a call of one message each way. It may be in buf.
func (s *Server) unary(ctx context.Context, w http.ResponseWriter, r *http.Request, m *method, req *request, enc encoding, buf *buffer) ([]byte, error) {
	in, out := m.newIn(), m.newOut()
	req.body = in
	if req.bad == nil {
		req.bad = s.readUnary(w, r, enc, in, buf)
	}
	if req.bad != nil { // where it was not read, net/http has canceled ctx
		ctx = context.WithoutCancel(ctx)
	}
	if err := m.run(ctx, req, out); err != nil {
		return nil, err
	}
	b, err := enc.encode(buf.bytes[:0], out)
	buf.bytes = b
	return b, err
}

// readUnary reads the body of r into in, by way of buf.
func (s *Server) readUnary(w http.ResponseWriter, r *http.Request, enc encoding, in any, buf *buffer) error {
	err := buf.readFrom(s.unaryBody(w, r), r.ContentLength, s.conf.MaxMessage)
	if err != nil {
		return s.unreadable(err)
	}
	if len(buf.bytes) == 0 && enc == microJSON { // as go-micro's own server takes it
		return nil
	}
	return enc.decode(buf.bytes, in)
}

// unaryBody is the body of r, bounded in size and time.
func (s *Server) unaryBody(w http.ResponseWriter, r *http.Request) io.Reader {
	return &prompt{http.MaxBytesReader(w, r.Body, int64(s.conf.MaxMessage)), http.NewResponseController(w)}
}

// unreadable says why a request did not arrive.
func (s *Server) unreadable(err error) error {
	if own, ok := errors.AsType[*rpcerr.Error](err); ok {
		return own
	}
	_, large := errors.AsType[*http.MaxBytesError](err)
	_, network := errors.AsType[*net.OpError](err)
	switch {
	case large:
		return rpcerr.New(codes.ResourceExhausted, "message_too_large", "the request is larger than %d bytes", s.conf.MaxMessage)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return incomplete().Because(err)
	case network, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return rpcerr.New(codes.Canceled, "canceled", "the caller has left").Because(err)
	}
	return rpcerr.Invalid("request", "%s", brief(err.Error()))
}

// incomplete is why a call ends whose request takes too long.
func incomplete() *rpcerr.Error {
	return rpcerr.New(codes.DeadlineExceeded, "request_incomplete", "the request did not arrive whole")
}

// muCPFault is err as it stands in headerError. JSON lets one character pass that HTTP
// does not.
func muCPFault(err error) string {
	return strings.ReplaceAll(rpcerr.From(err).Micro().Error(), "\x7f", `\u007f`)
}

// muCPDeadline gives the call the deadline that its caller named.
func muCPDeadline(r *http.Request) (context.Context, context.CancelFunc) {
	if ns, err := strconv.ParseInt(r.Header.Get(headerTimeout), 10, 64); err == nil && ns > 0 {
		return context.WithTimeout(r.Context(), time.Duration(ns))
	}
	return context.WithCancel(r.Context())
}

// buffer is a pooled slice.
type buffer struct{ bytes []byte }

// readFrom fills b with what r has. size is a hint, below 0 where there is none.
func (b *buffer) readFrom(r io.Reader, size int64, limit int) error {
	b.bytes = b.bytes[:0]
	if size > 0 && size <= int64(limit) && cap(b.bytes) <= int(size) {
		b.bytes = make([]byte, 0, min(int(size)+1, 64<<10)) // more only as it arrives
	}
	for {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = append(b.bytes, 0)[:len(b.bytes)]
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// bufferPool keeps small buffers for the next call.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, 1<<10)}
}

func (p *bufferPool) put(b *buffer) {
	if cap(b.bytes) <= 64<<10 {
		p.pool.Put(b)
	}
}
