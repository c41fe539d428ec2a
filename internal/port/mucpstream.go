package port

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// A stream of go-micro RPC has a connection to itself: each message is an HTTP
// request one way and an HTTP response the other way, and neither answers the other.
// It opens with an empty message; the second is the request. The caller ends it with
// a message whose error is EOS, or by leaving.

// lingering is how long the connection stays after the last message, for the caller
// to read it and close.
const lingering = 5 * time.Second

func (s *Server) serveMuCPStream(w http.ResponseWriter, r *http.Request, m *method, c *call.Call) {
	if r.Header.Get(headerError) == endOfStream {
		return // the end of a stream that is over
	}
	if _, err := io.Copy(io.Discard, s.unaryBody(w, r)); err != nil {
		s.refuse(w, r, s.unreadable(err)) // net/http closes what it cannot read on
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2
		s.refuse(w, r, rpcerr.New(codes.Unimplemented, "http1_alone", "streams of go-micro RPC take HTTP/1.1 alone").Because(err))
		return
	}
	defer s.hijacked(nc)()
	enc, bad := muCPEncoding(r.Header.Get("Content-Type"))
	ctx, cancel := s.streamContext(call.NewContext(s.base, c))
	defer cancel()
	st := &muCPStream{
		server: s, conn: nc, enc: enc, header: answerHeader(r.Header), arrivals: make(chan arrival, 1), keep: m.callerStreams,
		req: &request{service: s.conf.Name, endpoint: m.endpoint, contentType: r.Header.Get("Content-Type"), stream: true, bad: bad},
		ctx: ctx, cancel: cancel,
	}
	if m.unary() && m != s.table.unknown {
		st.req.bad = rpcerr.Invalid(headerStream, "%s is no stream", m.endpoint)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		st.receive(rw.Reader, cancel)
	}()
	st.finish(s.leaving(m.run(ctx, st.req, st)))
	cancel()
	<-gone
}

// hijacked notes a connection that net/http no longer knows. What it returns closes it.
func (s *Server) hijacked(nc net.Conn) func() {
	s.streams.Add(1)
	stop := context.AfterFunc(s.base, func() { _ = nc.Close() })
	return func() {
		stop()
		_ = nc.Close() // also closed by the caller
		s.streams.Done()
	}
}

// muCPStream is go-micro's server.Stream on a connection.
type muCPStream struct {
	server   *Server
	conn     net.Conn
	ctx      context.Context //nolint:containedctx // server.Stream has a method for it
	cancel   context.CancelFunc
	req      *request
	enc      encoding
	header   []byte       // of each answer, without its length
	keep     bool         // the caller may send more than the request
	arrivals chan arrival // one may wait: more would fill the memory
	got      bool

	mu     sync.Mutex // guards what follows
	buf    []byte
	last   error
	broken error // why a message was written in part: none may follow
}

var _ server.Stream = (*muCPStream)(nil)

type arrival struct {
	body []byte
	err  error
}

func (m *muCPStream) Context() context.Context { return m.ctx }
func (m *muCPStream) Request() server.Request  { return m.req }
func (m *muCPStream) Close() error             { return nil }

func (m *muCPStream) Error() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cmp.Or(m.broken, m.last)
}

// receive reads what the caller sends until it leaves or sends what cannot be read, then
// cancels the stream. What comes after the request of a method that takes one message
// is dropped.
func (m *muCPStream) receive(r *bufio.Reader, cancel context.CancelFunc) {
	awaited := false // by the handler, which ends with it
	defer func() {
		close(m.arrivals)
		if !awaited {
			cancel()
		}
	}()
	in := m.limited(r)
	_ = m.conn.SetReadDeadline(time.Now().Add(m.server.conf.Timeout)) // fails as the read will
	for n := 0; ; n++ {
		a, err := in.next(int64(m.server.conf.MaxMessage))
		if err != nil {
			m.tell(n, err)
			awaited = n == 0 && !m.keep
			return
		}
		if n == 0 {
			_ = m.conn.SetReadDeadline(time.Time{})
		}
		if n > 0 && !m.keep {
			continue
		}
		select {
		case m.arrivals <- a:
		case <-m.ctx.Done():
		}
	}
}

// tell lets the handler know why message n does not come, unless the stream is simply
// over.
func (m *muCPStream) tell(n int, err error) {
	if errors.Is(err, io.EOF) {
		if n > 0 || m.keep {
			return
		}
		err = rpcerr.New(codes.Unimplemented, "unimplemented", "the call has no request message")
	}
	select {
	case m.arrivals <- arrival{err: m.server.unreadable(err)}:
	default: // what waits comes first, then the end
	}
}

// Recv returns io.EOF once the caller has ended the stream.
func (m *muCPStream) Recv(msg any) error {
	if m.got && !m.keep {
		return io.EOF
	}
	a, ok := m.next()
	switch {
	case !ok:
		return m.fail(io.EOF)
	case a.err != nil:
		return m.fail(a.err)
	}
	m.got = true
	if len(a.body) == 0 && m.enc == microJSON {
		return nil
	}
	return m.enc.decode(a.body, msg)
}

// next waits for an arrival; ok is false after the last. What has arrived comes before
// the end of the stream.
func (m *muCPStream) next() (a arrival, ok bool) {
	select {
	case a, ok = <-m.arrivals:
		return a, ok
	case <-m.ctx.Done():
	}
	select {
	case a, ok = <-m.arrivals:
		return a, ok
	default:
		return arrival{err: m.ctx.Err()}, true
	}
}

func (m *muCPStream) fail(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = err
	return err
}

// Send returns an error once the caller has left, or has not taken a message.
func (m *muCPStream) Send(msg any) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	body, err := m.enc.encode(nil, msg)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	return m.write("", body)
}

// finish sends what the handler has returned, and waits for the caller to close.
func (m *muCPStream) finish(err error) {
	end := endOfStream
	if err != nil {
		end = muCPFault(err)
	}
	if m.write(end, nil) != nil {
		_ = m.conn.Close() // wakes receive
		return
	}
	// receive sees the end, now or soon.
	leave := func() { _ = m.conn.Close() } // also closed by the caller
	late := time.AfterFunc(lingering, leave)
	defer late.Stop()
	stop := context.AfterFunc(m.server.draining, leave)
	defer stop()
	for range m.arrivals {
	}
}

func (m *muCPStream) write(fault string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.buf[:0]
	b = append(b, m.header...)
	if fault != "" {
		b = fmt.Appendf(b, "%s: %s\r\n", headerError, fault)
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body))
	b = append(b, body...)
	if cap(b) <= 64<<10 {
		m.buf = b
	}
	if m.broken != nil {
		return m.broken
	}
	if _, err := m.conn.Write(b); err != nil { // conn bounds its time
		m.broken = m.cutOff(err)
		m.cancel()
	}
	return m.broken
}

// cutOff says why a message was not written.
func (m *muCPStream) cutOff(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return stalled(m.server.conf.WriteTimeout).Because(err)
	}
	return rpcerr.New(codes.Canceled, "canceled", "the caller has left").Because(err)
}

// answerHeader begins every answer to a stream that opened with h.
func answerHeader(h http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	same := http.Header{"Content-Type": h["Content-Type"]}
	for _, name := range []string{headerID, headerService, headerMethod, headerEndpoint, headerStream} {
		if v := micro(h, name); v != "" {
			same[name] = []string{v}
		}
	}
	_ = same.Write(&b) // to memory
	return b.Bytes()
}

// limited reads messages that are bounded each.
type limitedReader struct {
	budget *io.LimitedReader
	r      *bufio.Reader
	header int // bytes of one
}

func (m *muCPStream) limited(r *bufio.Reader) *limitedReader {
	head, _ := r.Peek(r.Buffered())
	l := &io.LimitedReader{R: io.MultiReader(bytes.NewReader(bytes.Clone(head)), m.conn)}
	return &limitedReader{budget: l, r: bufio.NewReaderSize(l, 4<<10), header: m.server.conf.MaxHeader}
}

// next returns a message, or io.EOF once the caller has ended the stream.
func (l *limitedReader) next(limit int64) (arrival, error) {
	l.budget.N = int64(l.header)
	req, err := http.ReadRequest(l.r)
	switch {
	case err == nil:
	case l.budget.N == 0:
		return arrival{}, rpcerr.New(codes.ResourceExhausted, "header_too_large", "the header is larger than %d bytes", l.header)
	case errors.Is(err, io.EOF):
		return arrival{}, io.ErrUnexpectedEOF // it has left without a word
	default:
		return arrival{}, err
	}
	l.budget.N = math.MaxInt64
	body, err := io.ReadAll(http.MaxBytesReader(nil, req.Body, limit))
	if err != nil {
		return arrival{}, err
	}
	switch e := req.Header.Get(headerError); e {
	case "":
		return arrival{body: body}, nil
	case endOfStream:
		return arrival{}, io.EOF
	default:
		return arrival{}, rpcerr.Invalid(headerError, "%q, want %s", brief(e), endOfStream)
	}
}
