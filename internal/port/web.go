package port

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// newHTTP returns the server of the web half. It sets no time for an answer as a whole,
// which would end streams: each write has one.
func (s *Server) newHTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.conf.Patience,
		IdleTimeout:       s.conf.Idle,
		MaxHeaderBytes:    s.conf.MaxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: s.conf.MaxConnStreams, SendPingTimeout: s.conf.KeepAlive, PingTimeout: pingTimeout,
			WriteByteTimeout: s.conf.WriteTimeout,
		},
		ErrorLog:    slog.NewLogLogger(s.conf.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return s.base },
	}
}

// ServeHTTP is the web half of the port: go-micro RPC at "/", Connect and gRPC-Web at
// the paths of the methods, and what the service serves itself.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn := http.NewResponseController(w)
	if r.Body != http.NoBody { // net/http reads what nobody here does
		_ = conn.SetReadDeadline(time.Now().Add(s.conf.Timeout)) // fails on a closed connection: so will the read
	}
	if r.ProtoMajor == 1 && r.TransferEncoding != nil && !isMuCP(r) {
		// It may have had a Content-Length as well, which net/http hides. A proxy in front
		// may go by that and see another end: after it nothing is read (RFC 9112, 6.1).
		// go-micro's clients send each empty message so, and keep the connection.
		w.Header().Set("Connection", "close")
	}
	if !s.serves(r.Host) {
		s.refuse(w, r, s.hosts.refusal(r.Host))
		return
	}
	if s.crossOrigin(w, r) {
		return
	}
	if isMuCP(r) {
		s.serveMuCP(w, r)
		return
	}
	m := s.table.path(r.URL.Path)
	if r.ProtoMajor == 2 && m != nil && m.unary() {
		// A write on an HTTP/2 connection may wait for a caller that reads other answers of
		// it. What may be longer has a pacedWriter.
		_ = conn.SetWriteDeadline(time.Now().Add(s.conf.Timeout + s.conf.WriteTimeout)) // fails on a closed connection
	}
	if m != nil {
		s.connect[m].ServeHTTP(w, r)
		return
	}
	if err := checkPath(r.URL); err != nil {
		s.refuse(w, r, err)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.servePage(w, r)
		return
	}
	s.refuseAs(w, r, http.StatusNotFound, rpcerr.New(codes.Unimplemented, "unimplemented", "no such method or page: %s", brief(r.URL.Path)))
}

// servePage serves what HandleHTTP was given.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	paced := newPacedWriter(w, r, s.conf.WriteTimeout)
	defer paced.finish()
	ctx := r.Context()
	if r.Header.Get("Accept") == "text/event-stream" { // has no end of its own
		var cancel context.CancelFunc
		ctx, cancel = s.streamContext(ctx)
		defer cancel()
	}
	r = r.Clone(ctx)
	r.Body = &prompt{r.Body, paced.conn}
	s.mux.ServeHTTP(paced, r)
}

// refuse answers a call of go-micro RPC, gRPC or gRPC-Web in its own form and all others
// in that of the Connect protocol, and shows it to the chain.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.refuseAs(w, r, rpcerr.HTTP(rpcerr.Code(err)), err)
}

func (s *Server) refuseAs(w http.ResponseWriter, r *http.Request, status int, err error) {
	switch {
	case isMuCP(r):
		answerMuCP(w, r, nil, err)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") && s.faults.IsSupported(r):
		_ = s.faults.Write(w, r, rpcerr.From(err).Connect()) // the caller may have left
	default:
		writeError(w, status, err)
	}
	s.refused(r, s.table.unknown, err)
}

// WriteError answers err as the Connect protocol does, for doors of their own.
func WriteError(w http.ResponseWriter, err error) { writeError(w, rpcerr.HTTP(rpcerr.Code(err)), err) }

func writeError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(rpcerr.From(err).JSON()) // the caller may have left
}

// serves tells whether callers may use a name for this server. With TLS the certificate
// tells that.
func (s *Server) serves(host string) bool { return s.conf.TLS != nil || s.hosts.allow(host) }

// hosts are the names that callers may use for this server. A page of another origin
// whose name was made to point here (DNS rebinding) uses its own.
type hosts []string

func (h hosts) allow(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(h, func(have string) bool { return strings.EqualFold(have, host) })
}

func (h hosts) refusal(host string) *rpcerr.Error {
	return rpcerr.New(codes.PermissionDenied, "foreign_host",
		"host %q is not served: use an IP address, or name it in PLATFORM_HOSTS", host)
}

// prompt is a body that must have arrived by the deadline which ServeHTTP has set. Once
// it has arrived the connection has none.
type prompt struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (p *prompt) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		_ = p.conn.SetReadDeadline(time.Time{}) // fails on a closed connection
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("the request did not arrive whole: %w", os.ErrDeadlineExceeded) // a caller may see it
	}
	return n, err
}
