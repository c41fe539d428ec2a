package port

import (
	"errors"
	"net"
	"sync"

	"go-micro.dev/v5/transport"
)

// quiet is the transport of go-micro's own server, which registers the service and
// runs its subscriptions but serves no calls: the doors do.
type quiet struct{ addr net.Addr }

func (q quiet) Init(...transport.Option) error { return nil }
func (q quiet) Options() transport.Options     { return transport.Options{} }
func (q quiet) String() string                 { return "http" }

func (q quiet) Dial(string, ...transport.DialOption) (transport.Client, error) {
	return nil, errors.New("a server does not dial")
}

func (q quiet) Listen(string, ...transport.ListenOption) (transport.Listener, error) {
	return &silence{addr: q.addr.String(), closed: make(chan struct{})}, nil
}

// silence is a listener that nobody calls.
type silence struct {
	addr   string
	closed chan struct{}
	once   sync.Once
}

func (s *silence) Addr() string { return s.addr }

func (s *silence) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *silence) Accept(func(transport.Socket)) error {
	<-s.closed
	return net.ErrClosed
}
