package port

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/call"
)

// A Caller is who makes calls at a Door, one after the other. It belongs to one goroutine.
type Caller struct {
	server      *Server
	protocol    string
	peer        string
	local       netip.Addr
	certificate *x509.Certificate  // nil: it has shown none
	calls       map[string]*errand // by endpoint
	latest      *errand            // nil: there was no call

	ended time.Time // when the latest call did; zero: the caller was heard or told something since
}

func newCaller(s *Server, protocol, peer string, local netip.Addr) Caller {
	return Caller{server: s, protocol: protocol, peer: peer, local: local, calls: map[string]*errand{}}
}

// Peer is the caller's address.
func (c *Caller) Peer() string { return c.peer }

// Local is the address of this machine that the caller has found the door at.
func (c *Caller) Local() netip.Addr { return c.local }

// addressOf returns the IP address of a socket.
func addressOf(a net.Addr) netip.Addr {
	at, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.Addr{}
	}
	return at.AddrPort().Addr().Unmap()
}

// errand is what all calls of one method by one caller have in common.
type errand struct {
	method *method
	call   call.Call
	ctx    context.Context //nolint:containedctx // with call; of all calls, which have one after the other
	asked  request
}

// Call makes a unary call and fills rsp. One that follows another, with no read or write of
// a Visitor between, begins when that has ended: to ask the clock costs a part of the call.
func (c *Caller) Call(endpoint string, req, rsp proto.Message) error {
	at := c.latest
	if at == nil || at.method.endpoint != endpoint { // most calls are as the one before
		var err error
		if at, err = c.find(endpoint, req, rsp); err != nil {
			return err
		}
		c.latest = at
	}
	at.asked.body = req
	at.call.SetReplies(nil, nil)
	at.call.Start = c.ended
	err := at.method.run(at.ctx, &at.asked, rsp)
	c.ended = at.call.Start.Add(at.call.Took)
	return err
}

// find returns what calls of an endpoint have in common.
func (c *Caller) find(endpoint string, req, rsp proto.Message) (*errand, error) {
	if at := c.calls[endpoint]; at != nil {
		return at, nil
	}
	m, err := c.server.unaryMethod(endpoint, req, rsp)
	if err != nil {
		return nil, err
	}
	at := c.errand(m)
	c.calls[endpoint] = at
	return at, nil
}

func (c *Caller) errand(m *method) *errand {
	at := &errand{method: m, asked: *c.server.asked(m, nil), call: call.Call{
		Service: c.server.conf.Name, Endpoint: m.endpoint, Protocol: c.protocol, Peer: c.peer, Headers: call.HTTP{}, Certificate: c.certificate,
	}}
	at.ctx = call.NewContext(c.server.base, &at.call)
	return at
}
