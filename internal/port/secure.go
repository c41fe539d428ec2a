package port

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
)

// Prepare makes a TLS configuration one of this port: it offers what the port speaks, and
// notes what each caller offers.
func Prepare(c *tls.Config) {
	c.NextProtos = []string{"h2", "http/1.1"}
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := h.Conn.(*conn)
		if !ok {
			return nil, nil //nolint:nilnil // go on with this one
		}
		h2, h1 := slices.Contains(h.SupportedProtos, "h2"), slices.Contains(h.SupportedProtos, "http/1.1")
		if c.noHTTP && (h1 || h2) {
			return nil, errors.New("the caller wants to speak HTTP where another protocol is spoken")
		}
		c.onlyH2 = h2 && !h1
		return nil, nil //nolint:nilnil // as above
	}
}

// newSecure returns what shakes hands, nil without TLS.
func (s *Server) newSecure() *secure {
	if s.conf.TLS == nil {
		return nil
	}
	return &secure{
		config: s.conf.TLS, patience: s.conf.Patience, failed: s.conf.Failed, log: s.conf.Log, often: rate.Sometimes{Interval: time.Second},
	}
}

// secure shakes hands by TLS.
type secure struct {
	config   func() *tls.Config // of the next connection; Prepare has seen it
	patience time.Duration
	failed   func() // counts
	log      *slog.Logger
	often    rate.Sometimes // for the log: anyone can fail
}

func (s *secure) shake(ctx context.Context, c *conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	t := tls.Server(c, s.config())
	err := t.HandshakeContext(ctx)
	if err == nil {
		return t, nil
	}
	s.failed()
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && isHTTP(plain.RecordHeader) {
		err = errors.New("the caller speaks HTTP without TLS")
		_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nthis port takes HTTPS alone\n") // the caller may have left
	}
	if !left(err) {
		s.often.Do(func() {
			s.log.WarnContext(ctx, "a TLS handshake failed", "peer", c.RemoteAddr().String(), "error", err)
		})
		c.linger()
	}
	return nil, err
}

// linger lets the caller read why it is refused. One of TLS 1.3 is writing its first
// request at that time, and a connection that is closed over unread bytes is reset, with
// what the caller has not read yet.
func (c *conn) linger() {
	const patience, most = time.Second, 64 << 10
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(patience)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, most) // until the caller has left
}

// isHTTP tells whether what should begin a TLS record begins a request of HTTP/1.1.
func isHTTP(head [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"}, string(head[:]))
}

// left tells whether a caller has said nothing that could be wrong: a port scan, a
// health check of a balancer.
func left(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)
}

// certificate is the caller's, or nil where it has shown none.
func certificate(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}

// shaken tells grpc-go about a connection what the splitter knows of it.
type shaken struct {
	credentials.TransportCredentials
}

func (shaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	from := &caller{addr: c.RemoteAddr().String(), CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		from.tls, from.SecurityLevel = &state, credentials.PrivacyAndIntegrity
		from.conn, _ = t.NetConn().(*conn)
		return c, from, nil
	}
	from.conn, _ = c.(*conn)
	return c, from, nil
}

func (shaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (s shaken) Clone() credentials.TransportCredentials { return s }

// caller is what calls of gRPC know of their connection.
type caller struct {
	credentials.CommonAuthInfo

	addr string
	conn *conn
	tls  *tls.ConnectionState // nil: without
}

// AuthType implements credentials.AuthInfo.
func (c *caller) AuthType() string { return "port" }
