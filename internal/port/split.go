package port

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// splitter hands the connections of gRPC clients to grpc and all others to web. With TLS a gRPC library offers h2 alone; browsers and general HTTP clients offer
// http/1.1 too, and get HTTP/2 from web. Without TLS, HTTP/2 shows in the first bytes, and
// only gRPC clients use it.
type splitter struct {
	base      context.Context //nolint:containedctx // ends all connections
	draining  context.Context //nolint:containedctx // ends those that have not said what they are
	gate      *gate
	secure    *secure // nil: without TLS
	web, grpc *half
	patience  time.Duration // for the first bytes, and for a handshake
	leave     time.Duration // for what is written to web's connections; gRPC has keepalive, and paces its streams
}

func (s *Server) newSplitter(l net.Listener) *splitter {
	return &splitter{
		base: s.base, draining: s.draining, gate: s.newGate(l), secure: s.newSecure(), web: newHalf(l.Addr()), grpc: newHalf(l.Addr()),
		patience: s.conf.Patience, leave: s.conf.WriteTimeout,
	}
}

// run accepts until the listener is closed.
func (s *splitter) run() error {
	defer s.web.Close()
	defer s.grpc.Close()
	s.gate.run(func(c *conn) { go s.choose(c) })
	return nil
}

// choose finds out what the caller speaks. It ends with the connection, after patience,
// or when the server stops.
func (s *splitter) choose(c *conn) {
	stop := context.AfterFunc(s.draining, func() { _ = c.Close() })
	defer stop()
	if c.SetDeadline(time.Now().Add(s.patience)) != nil {
		_ = c.Close()
		return
	}
	found, isGRPC, err := s.greet(c)
	if !stop() || err != nil || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	to := s.web
	if isGRPC {
		to = s.grpc
	} else {
		c.leave = s.leave
	}
	select {
	case to.conns <- found:
	case <-to.done:
		_ = c.Close()
	}
}

// greet returns c, or what TLS makes of it. Both servers look for a *tls.Conn to learn
// who calls.
func (s *splitter) greet(c *conn) (found net.Conn, isGRPC bool, err error) {
	if s.secure != nil {
		t, err := s.secure.shake(s.base, c)
		return t, c.onlyH2, err
	}
	n, err := io.ReadAtLeast(c.Conn, c.head[:], len(preface))
	c.rest = c.head[:n]
	return c, err == nil && string(c.rest[:len(preface)]) == preface, err
}

// preface begins every HTTP/2 connection (RFC 9113, 3.4) and no HTTP/1.1 request.
const preface = "PRI"

// conn gives back the bytes that greet has read, and bounds each write.
type conn struct {
	net.Conn
	leave  time.Duration // 0: as long as it takes
	onlyH2 bool          // all that the caller has offered in its TLS greeting
	noHTTP bool          // who offers to speak it in its TLS greeting is refused
	head   [64]byte
	rest   []byte
	once   sync.Once
	closed func()

	abandoned atomic.Int64 // bytes
}

// mostAbandoned is what grpc-go may keep for the caller of a connection that it has not
// taken when its calls ended.
const mostAbandoned = 16 << 20

// abandon notes bytes that grpc-go keeps of a call that has ended, until the caller takes
// them or leaves. One that does neither loses the connection, once they are too many.
func (c *conn) abandon(bytes int) {
	if c.abandoned.Add(int64(bytes)) > mostAbandoned {
		_ = c.Close()
	}
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(b, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Write fails where the other side has not read for as long as a message may take. A
// deadline for the whole of an answer would end streams.
func (c *conn) Write(b []byte) (int, error) {
	if c.leave > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.leave)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// half is a listener of connections that were accepted already.
type half struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHalf(a net.Addr) *half {
	return &half{addr: a, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *half) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *half) Addr() net.Addr { return h.addr }
