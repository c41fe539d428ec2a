package abuse_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	merrors "go-micro.dev/v5/errors"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
)

// A door is one way to call a service: a protocol and how it writes messages. The
// callers are written out here byte by byte, since a real client sends no nonsense.
type door struct {
	name string
	json bool // else protobuf
	call func(t testing.TB, c request) answer
}

func doors() []door {
	return []door{
		{"mucp+proto", false, viaMuCP("application/protobuf")},
		{"mucp+json", true, viaMuCP("application/json")},
		{"grpc+proto", false, viaHTTP2("application/grpc")},
		{"grpc+json", true, viaHTTP2("application/grpc+json")},
		{"connect+proto", false, viaConnect("proto")},
		{"connect+json", true, viaConnect("json")},
		{"grpcweb+proto", false, viaHTTP1("application/grpc-web+proto")},
	}
}

// A request is what a door sends.
type request struct {
	address string
	method  string // "KV.Get"
	stream  bool   // a method that streams: "KV.Watch"
	body    []byte
	header  http.Header // Host stands in it as well
	as      string      // Content-Type instead of the door's own
	verb    string      // instead of POST
}

func (r request) path() string {
	return "/micro." + map[string]string{"KV": "kv", "Echo": "test"}[r.method[:strings.IndexByte(r.method, '.')]] +
		".v1." + strings.Replace(r.method, ".", "/", 1)
}

// An answer is what a protocol made of an error. The code OK stands for a response.
type answer struct { //nolint:recvcheck // what reads it has a value, what fills it a pointer
	code    codes.Code
	message string
	field   string        // where the protocol has a place for it
	retry   time.Duration // likewise
	status  int           // of HTTP
	took    time.Duration
}

func (a answer) String() string {
	return fmt.Sprintf("%s %q (HTTP %d, field %q)", rpcerr.Name(a.code), a.message, a.status, a.field)
}

// post sends c with body and hands out the answer's body, trailers read.
func (r request) post(t testing.TB, client *http.Client, contentType, path string, body []byte) (*http.Response, []byte) {
	t.Helper()
	verb := http.MethodPost
	if r.verb != "" {
		verb = r.verb
	}
	req, err := http.NewRequestWithContext(t.Context(), verb, "http://"+r.address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}}
	maps.Copy(req.Header, r.header)
	if host := r.header.Get("Host"); host != "" {
		req.Host = host
	}
	if r.as != "" {
		req.Header.Set("Content-Type", r.as)
	}
	rsp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", r.method, err)
	}
	defer rsp.Body.Close()
	got, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatalf("%s: read the answer (%s): %v", r.method, rsp.Status, err)
	}
	return rsp, got
}

// newClient makes one connection for each request, so that none waits for another.
func newClient(http2 bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{Protocols: p, DisableKeepAlives: true, DisableCompression: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
	}}
}

func viaMuCP(contentType string) func(testing.TB, request) answer {
	return func(t testing.TB, r request) answer {
		t.Helper()
		begin := time.Now()
		if r.stream && r.verb == "" {
			return muCPStream(t, contentType, r)
		}
		h := http.Header{"Micro-Endpoint": {r.method}, "Micro-Service": {"kv-srv"}}
		maps.Copy(h, r.header)
		r.header = h
		rsp, _ := r.post(t, newClient(false), contentType, "/", r.body)
		return muCPAnswer(t, rsp, time.Since(begin))
	}
}

func muCPAnswer(t testing.TB, rsp *http.Response, took time.Duration) answer {
	t.Helper()
	a := answer{status: rsp.StatusCode, took: took}
	if rsp.StatusCode != http.StatusOK { // which go-micro's clients do not expect
		a.code = codes.Unknown
		return a
	}
	text := rsp.Header.Get("Micro-Error")
	if text == "" || text == "EOS" {
		return a
	}
	var e merrors.Error
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("Micro-Error %q: %v", text, err)
	}
	own := rpcerr.From(&e)
	a.code, a.message = own.Code, own.Message
	return a
}

// muCPStream opens a stream, sends the request and returns the first error.
func muCPStream(t testing.TB, contentType string, r request) answer {
	t.Helper()
	begin := time.Now()
	c := dial(t, r.address)
	defer c.Close()
	if r.as != "" {
		contentType = r.as
	}
	host := "127.0.0.1"
	if h := r.header.Get("Host"); h != "" {
		host = h
	}
	head := "Host: " + host + "\r\nContent-Type: " + contentType + "\r\nMicro-Endpoint: " + r.method + "\r\nMicro-Stream: 1\r\nMicro-Id: 1\r\n"
	open := "POST / HTTP/1.1\r\n" + head + "Content-Length: 0\r\n\r\nPOST / HTTP/1.1\r\n" + head
	go func() { // the answer may come before all is sent
		_, _ = fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n", open, len(r.body))
		_, _ = c.Write(r.body)
	}()
	from := bufio.NewReader(c)
	for {
		rsp, _ := receive(t, from)
		if rsp.Header.Get("Micro-Error") != "" || rsp.ContentLength == 0 {
			return muCPAnswer(t, rsp, time.Since(begin))
		}
	}
}

// envelope frames a message of gRPC and of Connect's streams.
func envelope(flags byte, msg []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(msg))), msg...)
}

func viaHTTP2(contentType string) func(testing.TB, request) answer {
	return viaGRPC(contentType, true)
}

// viaHTTP1 is for gRPC-Web.
func viaHTTP1(contentType string) func(testing.TB, request) answer {
	return viaGRPC(contentType, false)
}

func viaGRPC(contentType string, http2 bool) func(testing.TB, request) answer {
	return func(t testing.TB, r request) answer {
		t.Helper()
		begin := time.Now()
		r.header = r.header.Clone()
		if r.header == nil {
			r.header = http.Header{}
		}
		if r.header.Get("TE") == "" && http2 {
			r.header.Set("TE", "trailers")
		}
		rsp, body := r.post(t, newClient(http2), contentType, r.path(), framed(r))
		a := answer{status: rsp.StatusCode, took: time.Since(begin)}
		for _, h := range []http.Header{rsp.Header, rsp.Trailer, webTrailer(t, rsp, body)} {
			if h.Get("Grpc-Status") != "" {
				a.fromGRPC(t, h)
				return a
			}
		}
		a.fromHTTP(t, rsp, body)
		return a
	}
}

// framed is the body in an envelope, unless the test has made its own.
func framed(r request) []byte {
	if r.header.Get("Abuse-Raw") != "" {
		return r.body
	}
	if r.header.Get("Grpc-Encoding") != "" || r.header.Get("Connect-Content-Encoding") != "" {
		return envelope(1, r.body)
	}
	return envelope(0, r.body)
}

func (a *answer) fromGRPC(t testing.TB, h http.Header) {
	t.Helper()
	n, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil {
		t.Fatalf("grpc-status: %v", err)
	}
	a.code = codes.Code(n)
	if a.message, err = url.PathUnescape(h.Get("Grpc-Message")); err != nil {
		t.Fatalf("grpc-message: %v", err)
	}
	details := h.Get("Grpc-Status-Details-Bin")
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	if err != nil {
		t.Fatalf("grpc-status-details-bin: %v", err)
	}
	st := &spb.Status{}
	if err := proto.Unmarshal(b, st); err != nil {
		t.Fatalf("grpc-status-details-bin: %v", err)
	}
	for _, d := range st.GetDetails() {
		if m, err := d.UnmarshalNew(); err == nil {
			a.learn(m)
		}
	}
}

func (a *answer) learn(m proto.Message) {
	switch m := m.(type) {
	case *errdetails.ErrorInfo:
		a.field = m.GetMetadata()["field"]
	case *errdetails.RetryInfo:
		a.retry = m.GetRetryDelay().AsDuration()
	}
}

// webTrailer finds the trailer that gRPC-Web has in the body.
func webTrailer(t testing.TB, rsp *http.Response, body []byte) http.Header {
	t.Helper()
	h := http.Header{}
	if !strings.HasPrefix(rsp.Header.Get("Content-Type"), "application/grpc-web") {
		return h
	}
	for len(body) >= 5 {
		size := int(binary.BigEndian.Uint32(body[1:5]))
		if len(body) < 5+size {
			t.Fatalf("the answer ends within an envelope")
		}
		if body[0]&0x80 != 0 {
			for line := range strings.SplitSeq(string(body[5:5+size]), "\r\n") {
				name, value, _ := strings.Cut(line, ":")
				h.Add(name, strings.TrimSpace(value))
			}
		}
		body = body[5+size:]
	}
	return h
}
