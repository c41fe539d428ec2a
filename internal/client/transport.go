package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/transport"
	"go-micro.dev/v5/transport/headers"

	"github.com/micro/platform/internal/certs"
)

// dialer is go-micro's HTTP transport with connections of our own, which know whether the
// service has closed them before a request is sent.
type dialer struct {
	transport.Transport
	secure *certs.Source // nil: without TLS
}

func newTransport(secure *certs.Source, log logger.Logger) transport.Transport {
	return &dialer{transport.NewHTTPTransport(transport.Logger(log)), secure}
}

// Dial implements transport.Transport.
func (d *dialer) Dial(address string, opts ...transport.DialOption) (transport.Client, error) {
	o := transport.DialOptions{Timeout: transport.DefaultDialTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	c := &connection{dialer: d, address: address, timeout: o.Timeout, once: o.ConnClose}
	return c, c.connect()
}

func (d *dialer) connect(address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout) //nolint:forbidigo // transport.Transport has no contexts
	defer cancel()
	if d.secure == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	conf := d.secure.Config().Clone()
	conf.NextProtos = []string{"http/1.1"} // who offers none is taken for a gRPC client
	return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", address)
}

// connection is a transport.Client: one request at a time, and its response.
type connection struct {
	dialer  *dialer
	address string
	timeout time.Duration
	once    bool // for one request

	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	idle atomic.Bool // between a response and the next request
}

var _ transport.Client = (*connection)(nil)

func (c *connection) connect() error {
	conn, err := c.dialer.connect(c.address, c.timeout)
	if err != nil {
		return err
	}
	c.conn, c.in, c.out = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
	return nil
}

// notSent begins what go-micro tells of an error of Send before which nothing was sent.
const notSent = "not sent: "

// Send implements transport.Client. Where the service has closed the connection since it was
// used last, it makes another one.
func (c *connection) Send(m *transport.Message) error {
	if c.idle.Load() && m.Header[headers.Stream] == "" && closed(c.conn) {
		_ = c.conn.Close() // it is closed already
		if err := c.connect(); err != nil {
			return fmt.Errorf(notSent+"%w", err)
		}
	}
	c.idle.Store(false)
	header := make(http.Header, len(m.Header))
	for k, v := range m.Header {
		header.Set(k, v)
	}
	req := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: c.address}, Host: c.address,
		Header: header, Body: io.NopCloser(bytes.NewReader(m.Body)), ContentLength: int64(len(m.Body)), Close: c.once,
	}
	if err := req.Write(c.out); err != nil {
		return err
	}
	return c.out.Flush()
}

// Recv implements transport.Client.
func (c *connection) Recv(m *transport.Message) error {
	rsp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		return err
	}
	if rsp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", rsp.Status, body)
	}
	if m.Header == nil {
		m.Header = make(map[string]string, len(rsp.Header))
	}
	for k := range rsp.Header {
		m.Header[k] = rsp.Header.Get(k)
	}
	m.Body = body
	c.idle.Store(c.in.Buffered() == 0)
	return nil
}

// Close implements transport.Client.
func (c *connection) Close() error {
	_ = c.conn.Close() // it may be closed already, or broken: nothing is lost that anybody waits for
	return nil
}

// Local implements transport.Client.
func (c *connection) Local() string { return c.conn.LocalAddr().String() }

// Remote implements transport.Client: what go-micro's pool finds the connection by again.
func (c *connection) Remote() string { return c.address }
