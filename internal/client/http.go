package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/micro/platform/internal/certs"
)

// HTTP returns what asks services over HTTP/1.1: whom it is told to, by no proxy, and by
// TLS unless secure is nil.
func HTTP(secure *certs.Source) *http.Transport {
	var d net.Dialer
	t := &http.Transport{DialContext: d.DialContext, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
	if secure != nil {
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conf := secure.Config().Clone()
			conf.NextProtos = []string{"http/1.1"} // who offers none is taken for a gRPC client
			return (&tls.Dialer{Config: conf}).DialContext(ctx, network, address)
		}
	}
	return t
}
