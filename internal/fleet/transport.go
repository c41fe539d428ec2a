package fleet

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/micro/platform/internal/certs"
)

// newTransport returns one that asks whom it is told to: by no proxy. Its connections
// are kept for the next look.
func newTransport(secure *certs.Source) *http.Transport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return newConn((&net.Dialer{}).DialContext(ctx, network, address))
	}
	t := &http.Transport{
		DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: unwatched + lookWatched + patience,
	}
	if secure != nil {
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conf := secure.Config().Clone()
			conf.NextProtos = []string{"http/1.1"} // who offers none is taken for a gRPC client
			return newConn((&tls.Dialer{Config: conf}).DialContext(ctx, network, address))
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
