// Package call tells a handler and its wrappers about the RPC that they serve,
// beside its messages, and lets them answer more than a message.
package call

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"go-micro.dev/v5/metadata"
)

// The protocols of a Call.
const (
	MuCP    = "mucp"
	GRPC    = "grpc"
	GRPCWeb = "grpcweb"
	Connect = "connect"
	Page    = "page" // of the service itself, for whoever asks for it
	RESP    = "resp" // that of Redis
	DNS     = "dns"
)

// Call is one RPC. It belongs to the goroutine that serves it.
type Call struct {
	Service  string // as registered: "kv-srv"
	Endpoint string // "KV.Get", or "unknown" where there is none of that name
	Protocol string // one of the constants above
	Stream   bool   // sends or takes more than one message
	Peer     string // the caller's address

	// Certificate is the caller's, of mutual TLS; nil where it has shown none. It was
	// verified.
	Certificate *x509.Certificate

	// Headers are the caller's.
	Headers Headers

	// Start is when the chain has begun to serve the call: now, where it is zero before. Took
	// is how long that has taken, once it has ended.
	Start time.Time
	Took  time.Duration

	reply, trailer http.Header
	send           func() error

	bounds []Bound // that have no call yet
	made   int     // of them, the last time
}

// Headers are those of a request, as its transport has them. Binary values, of names
// that end in -bin, are in base64.
type Headers interface {
	// Each calls f for each name, in canonical form or in lower case. f must not change
	// the values.
	Each(f func(name string, values []string))
}

// HTTP is the Headers of an HTTP request.
type HTTP http.Header

// Each implements Headers.
func (h HTTP) Each(f func(string, []string)) {
	for name, values := range h {
		f(name, values)
	}
}

// Header returns the caller's headers under canonical names. It makes a copy.
func (c *Call) Header() http.Header {
	all := http.Header{}
	c.Headers.Each(func(name string, values []string) { all[http.CanonicalHeaderKey(name)] = values })
	return all
}

// Identity is who the caller's certificate is for: its first URI (such as a SPIFFE ID),
// else DNS name, else common name; empty without one.
func (c *Call) Identity() string {
	switch cert := c.Certificate; {
	case cert == nil:
		return ""
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	default:
		return cert.Subject.CommonName
	}
}

// OnSendHeader sets what SendHeader does.
func (c *Call) OnSendHeader(send func() error) { c.send = send }

// ReplyHeader goes to the caller ahead of the first message, in wire form. Over
// go-micro RPC it is dropped.
func (c *Call) ReplyHeader() http.Header {
	if c.reply == nil {
		c.reply = http.Header{}
	}
	return c.reply
}

// ReplyTrailer goes to the caller after the last message, as ReplyHeader does.
func (c *Call) ReplyTrailer() http.Header {
	if c.trailer == nil {
		c.trailer = http.Header{}
	}
	return c.trailer
}

// Replies returns what was set of header and trailer; nil where nothing was.
func (c *Call) Replies() (header, trailer http.Header) { return c.reply, c.trailer }

// SetReplies makes the transport's own header and trailer those of the reply.
func (c *Call) SetReplies(header, trailer http.Header) { c.reply, c.trailer = header, trailer }

// SendHeader sends the reply header of a stream now, before its first message, where
// the protocol can.
func (c *Call) SendHeader() error {
	if c.send == nil {
		return nil
	}
	return c.send()
}

type key struct{}

// NewContext returns a context with c, and with its headers as go-micro's metadata.
// go-micro's clients send metadata on with the calls of a handler: what speaks of this
// connection or this message alone is left out.
func NewContext(ctx context.Context, c *Call) context.Context {
	md := metadata.Metadata{}
	c.Headers.Each(func(name string, values []string) {
		if hop(name) {
			return
		}
		key := http.CanonicalHeaderKey(name)
		switch {
		case key != name && hop(key):
		case len(values) == 1:
			md[key] = values[0]
		default:
			md[key] = strings.Join(values, ", ")
		}
	})
	md["Remote"] = c.Peer // whatever the caller says
	// The call is outermost, for it is asked for most.
	return context.WithValue(metadata.NewContext(ctx, md), key{}, c)
}

// hop tells the headers of one hop (RFC 9110, 7.6.1) and of one message.
func hop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Host",
		"Content-Length", "Content-Encoding", "Content-Type", "Accept", "Accept-Encoding", "User-Agent", "Timeout",
		"Connect-Timeout-Ms", "Connect-Protocol-Version", "Connect-Content-Encoding", "Connect-Accept-Encoding",
		"Grpc-Timeout", "Grpc-Encoding", "Grpc-Accept-Encoding", "X-Grpc-Web", "X-User-Agent", "X-Content-Type",
		"Micro-Id", "Micro-Service", "Micro-Method", "Micro-Endpoint", "Micro-Stream", "Micro-Error", "Micro-Protocol", "Micro-Topic",
		// those of each call, as gRPC has them
		"content-type", "user-agent", "accept", "accept-encoding", "te", "timeout", "x-content-type",
		"grpc-timeout", "grpc-encoding", "grpc-accept-encoding":
		return true
	}
	return strings.HasPrefix(name, ":")
}

// FromContext returns the Call of ctx, or nil outside of one.
func FromContext(ctx context.Context) *Call {
	c, _ := ctx.Value(key{}).(*Call)
	return c
}
