package port

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// splitter accepts connections and hands those that open with HTTP/2, which without
// TLS only gRPC clients do, to grpc and all others to web.
type splitter struct {
	base      context.Context //nolint:containedctx // ends all connections
	draining  context.Context //nolint:containedctx // ends those that have not said what they are
	listener  net.Listener
	web, grpc *half
	patience  time.Duration // for the first bytes
	leave     time.Duration // for what is written to web's connections; gRPC has keepalive
	most      int64         // connections at once
	open      atomic.Int64
	refused   func() // counts a connection over the limit
}

func newSplitter(base, draining context.Context, l net.Listener, patience, leave time.Duration, most int, refused func()) *splitter {
	return &splitter{
		base: base, draining: draining, listener: l, web: newHalf(l.Addr()), grpc: newHalf(l.Addr()), patience: patience, leave: leave, most: int64(most), refused: refused,
	}
}

// run accepts until the listener is closed.
func (s *splitter) run() error {
	defer s.web.Close()
	defer s.grpc.Close()
	for {
		c, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // such as no file descriptor left
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // nothing tells when one is free
		case s.open.Add(1) > s.most:
			s.open.Add(-1)
			s.refused()
			_ = c.Close()
		default:
			stop := context.AfterFunc(s.base, func() { _ = c.Close() })
			go s.choose(&conn{Conn: c, closed: func() { stop(); s.open.Add(-1) }})
		}
	}
}

// choose reads the first bytes. It ends with the connection, after patience, or when the
// server stops.
func (s *splitter) choose(c *conn) {
	stop := context.AfterFunc(s.draining, func() { _ = c.Close() })
	defer stop()
	if err := c.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		_ = c.Close()
		return
	}
	n, err := io.ReadAtLeast(c.Conn, c.head[:], len(preface))
	if !stop() || err != nil || c.SetReadDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	c.rest = c.head[:n]
	to := s.web
	c.leave = s.leave
	if string(c.rest[:len(preface)]) == preface {
		to, c.leave = s.grpc, 0
	}
	select {
	case to.conns <- c:
	case <-to.done:
		_ = c.Close()
	}
}

// preface begins every HTTP/2 connection (RFC 9113, 3.4) and no HTTP/1.1 request.
const preface = "PRI"

// conn gives back the bytes that choose has read, and bounds each write.
type conn struct {
	net.Conn
	leave  time.Duration // 0: as long as it takes
	head   [64]byte
	rest   []byte
	once   sync.Once
	closed func()
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
