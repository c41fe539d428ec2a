package fleet

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/client"
)

// newTransport returns one that asks whom it is told to: by no proxy. Its connections
// are kept for the next look.
func newTransport(secure *certs.Source) *http.Transport {
	t := client.HTTP(secure)
	t.MaxIdleConnsPerHost, t.IdleConnTimeout = 2, unwatched+lookWatched+patience
	for _, dial := range []*func(context.Context, string, string) (net.Conn, error){&t.DialContext, &t.DialTLSContext} {
		if plain := *dial; plain != nil {
			*dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				return newConn(plain(ctx, network, address))
			}
		}
	}
	return t
}

// conn reads nothing before something is written: net/http writes to stderr of what it
// has not asked for, and gRPC servers speak first.
type conn struct {
	net.Conn

	open  sync.Once
	asked chan struct{}
}

func newConn(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, asked: make(chan struct{})}, nil
}

func (c *conn) ask() { c.open.Do(func() { close(c.asked) }) }

func (c *conn) Read(b []byte) (int, error) {
	<-c.asked
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	c.ask()
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.ask()
	return c.Conn.Close()
}
