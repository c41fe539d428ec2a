package client

import (
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/transport"

	"github.com/micro/platform/internal/certs"
)

// secureTransport dials by TLS. go-micro's own keeps one configuration, and writes to it
// while others dial.
type secureTransport struct {
	transport.Transport
	secure *certs.Source
	log    logger.Logger
}

func (s *secureTransport) Dial(address string, opts ...transport.DialOption) (transport.Client, error) {
	t := transport.NewHTTPTransport(transport.Logger(s.log), transport.TLSConfig(s.secure.Config().Clone()))
	return t.Dial(address, opts...)
}

func newTransport(secure *certs.Source, log logger.Logger) transport.Transport {
	plain := transport.NewHTTPTransport(transport.Logger(log))
	if secure == nil {
		return plain
	}
	return &secureTransport{plain, secure, log}
}
