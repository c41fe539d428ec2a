package port

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// gate accepts the connections of one listener, so many at once.
type gate struct {
	base     context.Context //nolint:containedctx // ends all connections
	listener net.Listener
	most     int64
	open     atomic.Int64
	refused  func() // counts a connection over the limit
}

func (s *Server) newGate(l net.Listener) *gate {
	return &gate{base: s.base, listener: l, most: int64(s.conf.MaxConns), refused: s.conf.Refused}
}

// run accepts until the listener is closed. enter does not block; the connection is its
// to close.
func (g *gate) run(enter func(*conn)) {
	for {
		c, err := g.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as no file descriptor left
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // nothing tells when one is free
		case g.open.Add(1) > g.most:
			g.open.Add(-1)
			g.refused()
			_ = c.Close()
		default:
			stop := context.AfterFunc(g.base, func() { _ = c.Close() })
			enter(&conn{Conn: c, closed: func() { stop(); g.open.Add(-1) }})
		}
	}
}
