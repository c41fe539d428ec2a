package port

import (
	"compress/gzip"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// A plain call of the Connect protocol is a POST of one message that is not compressed and
// whose length is known and allowed. Most are. They are served without connect-go, whose
// layers cost more than the port and the chain do. What is out of the ordinary is
// connect-go's, also to refuse.
type plain struct {
	enc     encoding
	timeout time.Duration // 0: none
}

// plainCall tells whether r is a plain call of a unary method, of most bytes.
func plainCall(r *http.Request, most int) (p plain, ok bool) {
	if r.Method != http.MethodPost || r.ContentLength < 0 || r.ContentLength > int64(most) || len(r.Header["Content-Encoding"]) > 0 {
		return p, false
	}
	switch only(r.Header, "Content-Type") {
	case "application/json":
		p.enc = jsonText
	case "application/proto":
		p.enc = protobuf
	default:
		return p, false
	}
	if t := r.Header["Connect-Timeout-Ms"]; len(t) > 0 {
		n, err := strconv.ParseUint(t[0], 10, 32)
		if err != nil || n == 0 {
			return p, false
		}
		p.timeout = time.Duration(n) * time.Millisecond
	}
	version := only(r.Header, "Connect-Protocol-Version")
	return p, version == "" || version == "1"
}

// only returns the value of a header that has one.
func only(h http.Header, canonical string) string {
	if v := h[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (s *Server) servePlain(w http.ResponseWriter, r *http.Request, m *method, p plain) {
	ctx := r.Context()
	if p.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	c := &call.Call{
		Service: s.conf.Name, Endpoint: m.endpoint, Protocol: call.Connect, Peer: r.RemoteAddr, Headers: call.HTTP(r.Header), Certificate: certificate(r.TLS),
	}
	req := &request{service: s.conf.Name, endpoint: m.endpoint, contentType: only(r.Header, "Content-Type")}
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	body, err := s.unary(call.NewContext(ctx, c), w, r, m, req, p.enc, buf)
	h := w.Header()
	header, trailer := c.Replies()
	addReplies(h, "", header)
	addReplies(h, "Trailer-", trailer)
	h["Accept-Encoding"] = []string{"gzip"}
	if err != nil {
		_ = s.faults.Write(w, r, rpcerr.From(err).Connect()) // the caller may have left
		return
	}
	h["Content-Type"] = r.Header["Content-Type"]
	if len(body) >= s.conf.CompressMin && acceptsGzip(r.Header) {
		s.zips.write(w, body)
		return
	}
	if len(body) >= 2<<10 { // net/http counts less by itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	_, _ = w.Write(body) // as above
}

// addReplies adds what a handler has set, but what is the protocol's own.
func addReplies(to http.Header, prefix string, from http.Header) {
	for name, values := range from {
		if len(values) > 0 && !protocolHeader(name) {
			to[prefix+name] = append(to[prefix+name], values...)
		}
	}
}

// protocolHeader tells those that HTTP, Connect and gRPC set themselves.
func protocolHeader(name string) bool {
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Accept-Encoding", "Host", "User-Agent", "Trailer", "Date", "Trailer-":
		return true
	}
	return strings.HasPrefix(name, "Connect-") || strings.HasPrefix(name, "Grpc-")
}

func acceptsGzip(h http.Header) bool {
	accepted := strings.FieldsFunc(only(h, "Accept-Encoding"), func(c rune) bool { return c == ',' || c == ' ' })
	return slices.Contains(accepted, "gzip")
}

// zipPool keeps what compresses for the next answer.
type zipPool struct{ pool sync.Pool }

func (p *zipPool) write(w http.ResponseWriter, body []byte) {
	w.Header()["Content-Encoding"] = []string{"gzip"}
	z, ok := p.pool.Get().(*gzip.Writer)
	if ok {
		z.Reset(w)
	} else {
		z = gzip.NewWriter(w)
	}
	_, _ = z.Write(body) // the caller may have left
	_ = z.Close()        // as above
	p.pool.Put(z)
}
