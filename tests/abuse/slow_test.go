package abuse_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// quick are the settings of a service that loses its patience within a test: a
// message has three seconds to arrive, the headers before it a third of that.
func quick() map[string]string {
	return map[string]string{"PLATFORM_TIMEOUT": "3s", "PLATFORM_WRITE_TIMEOUT": "1s"}
}

// TestSlowSender sends a byte every 100 ms. Nobody may be kept waiting that way for
// longer than the time that a message has to arrive.
func TestSlowSender(t *testing.T) {
	t.Parallel()
	const (
		host   = "Host: 127.0.0.1\r\n"
		length = "Content-Length: 1000\r\n\r\n"
		large  = "\x00\x00\x00\x03\xe0" // the length of a message
		root   = "POST / HTTP/1.1\r\n" + host
		put    = "POST /micro.kv.v1.KV/Put HTTP/1.1\r\n" + host
		watch  = "POST /micro.kv.v1.KV/Watch HTTP/1.1\r\n" + host
		binary = "Content-Type: application/protobuf\r\n"
		stream = root + binary + "Micro-Endpoint: KV.Watch\r\nMicro-Stream: 1\r\n"
		opened = stream + "Content-Length: 0\r\n\r\n"
	)
	address := startKV(t, quick())
	senders := map[string]func(*testing.T){
		"grpc+proto": func(t *testing.T) { slowGRPC(t, address, "application/grpc") },
		"grpc+json":  func(t *testing.T) { slowGRPC(t, address, "application/grpc+json") },
	}
	for _, c := range []struct {
		name  string
		begin string // sent at once
		says  string
	}{
		{"nothing", "", ""},
		{"one byte", "P", ""},
		{"headers", "POST / HTTP/1.1\r\n", ""},
		{"headers of HTTP/2", "PRI", ""},
		{"settings of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		{"mucp", root + binary + "Micro-Endpoint: KV.Put\r\n" + length, "deadline_exceeded"},
		{"mucp, chunked", root + binary + "Micro-Endpoint: KV.Put\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n", "deadline_exceeded"},
		{"mucp, unknown method", root + binary + "Micro-Endpoint: KV.Destroy\r\n" + length, "unimplemented"},
		{"mucp, unknown content type", root + "Content-Type: text/plain\r\nMicro-Endpoint: KV.Put\r\n" + length, "invalid_argument"},
		{"mucp, opening of a stream", stream + length, "deadline_exceeded"},
		{"mucp, headers in a stream", opened + "POST / HTTP/1.1\r\nX: ", "deadline_exceeded"},
		{"mucp, request in a stream", opened + stream + length, "deadline_exceeded"},
		{"mucp, end of a stream that is over", stream + "Micro-Error: EOS\r\n" + length, ""},
		{"connect", put + "Content-Type: application/json\r\n" + length, "deadline_exceeded"},
		{"connect, stream", watch + "Content-Type: application/connect+json\r\n" + length + large, "deadline_exceeded"},
		{"connect, unknown content type", put + "Content-Type: text/plain\r\n" + length, " 415 "},
		{"connect, unknown compression", put + "Content-Type: application/json\r\nContent-Encoding: br\r\n" + length, "unimplemented"},
		{"connect, GET", strings.Replace(put, "POST", "GET", 1) + length, " 405 "},
		{"grpcweb", put + "Content-Type: application/grpc-web+proto\r\n" + length + large, "Grpc-Status: 4"},
		{"unknown path", strings.Replace(put, "Put", "Destroy", 1) + length, "unimplemented"},
		{"foreign host", strings.Replace(put, "127.0.0.1", "evil.example", 1) + length, "permission_denied"},
		{"page", "GET /healthz HTTP/1.1\r\n" + host + length, "ok\n"},
	} {
		senders[c.name] = func(t *testing.T) {
			begin := time.Now()
			conn := dial(t, address)
			defer conn.Close()
			send(t, conn, c.begin)
			go trickle(conn)
			said := dropped(t, conn, 30*time.Second)
			if took := time.Since(begin); took > time.Second+soon {
				t.Errorf("the connection was closed after %v", took)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("got %q, want %q", said, c.says)
			}
		}
	}
	atOnce(t, senders)
}

// trickle sends a byte every 100 ms until it cannot.
func trickle(c net.Conn) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(c, "x"); err != nil {
			return
		}
	}
}

// slowGRPC opens a call whose message arrives byte by byte.
func slowGRPC(t *testing.T, address, contentType string) {
	t.Helper()
	body, w := net.Pipe()
	defer w.Close()
	go trickle(w)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/micro.kv.v1.KV/Put",
		io.MultiReader(strings.NewReader("\x00\x00\x00\x03\xe8"), body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
	begin := time.Now()
	rsp, err := newClient(true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	if _, err := io.Copy(io.Discard, rsp.Body); err != nil {
		t.Error(err)
	}
	a := answer{status: rsp.StatusCode, took: time.Since(begin) - time.Second}
	for _, h := range []http.Header{rsp.Header, rsp.Trailer} {
		if h.Get("Grpc-Status") != "" {
			a.fromGRPC(t, h)
		}
	}
	a.expect(t, "Put", codes.DeadlineExceeded)
}
