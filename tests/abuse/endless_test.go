package abuse_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// endless is how much an upload claims and, unless it is refused, sends.
const endless = 1 << 30

// TestEndlessMessage uploads until it is refused, over HTTP/1.1. The service must say
// so early, end the connection and not keep what it has got.
func TestEndlessMessage(t *testing.T) {
	address := startKV(t, nil)
	const (
		head     = "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		length   = "Content-Length: 1073741824\r\n\r\n"
		chunked  = "Transfer-Encoding: chunked\r\n\r\n40000000\r\n"
		envelope = "\x00\x40\x00\x00\x00"
		put      = "/micro.kv.v1.KV/Put"
		watch    = "/micro.kv.v1.KV/Watch"
	)
	muCP := fmt.Sprintf(head, "/") + "Content-Type: application/protobuf\r\nMicro-Endpoint: KV."
	connect := fmt.Sprintf(head, put) + "Content-Type: application/proto\r\n"
	streamed := fmt.Sprintf(head, watch) + "Content-Type: application/connect+proto\r\n"
	web := fmt.Sprintf(head, put) + "Content-Type: application/grpc-web+proto\r\n"
	uploads := map[string]func(*testing.T){}
	for _, c := range []struct{ name, begin, says string }{
		{"mucp", muCP + "Put\r\n" + length, "resource_exhausted"},
		{"mucp, chunked", muCP + "Put\r\n" + chunked, "resource_exhausted"},
		{"mucp, unknown method", muCP + "Destroy\r\n" + length, "unimplemented"},
		{"mucp, opening of a stream", muCP + "Watch\r\nMicro-Stream: 1\r\n" + length, "resource_exhausted"},
		{"mucp, message of a stream", muCP + "Watch\r\nMicro-Stream: 1\r\nContent-Length: 0\r\n\r\n" + muCP + "Watch\r\nMicro-Stream: 1\r\n" + length, "resource_exhausted"},
		{"mucp, message of a stream, chunked", muCP + "Watch\r\nMicro-Stream: 1\r\nContent-Length: 0\r\n\r\n" + muCP + "Watch\r\nMicro-Stream: 1\r\n" + chunked, "resource_exhausted"},
		{"connect", connect + length, "resource_exhausted"},
		{"connect, chunked", connect + chunked, "resource_exhausted"},
		{"connect, stream", streamed + length + envelope, "resource_exhausted"},
		{"connect, stream, chunked", streamed + chunked + envelope, "resource_exhausted"},
		{"grpcweb", web + length + envelope, "Grpc-Status: 8"},
		{"grpcweb, chunked", web + chunked + envelope, "Grpc-Status: 8"},
		{"unknown content type", fmt.Sprintf(head, put) + "Content-Type: application/xml\r\n" + length, " 415 "},
		{"unknown method", fmt.Sprintf(head, "/micro.kv.v1.KV/Destroy") + length, "unimplemented"},
		{"foreign host", "POST /micro.kv.v1.KV/Put HTTP/1.1\r\nHost: evil.example\r\n" + length, "permission_denied"},
		{"page", fmt.Sprintf(strings.Replace(head, "POST", "GET", 1), "/healthz") + length, "ok\n"},
	} {
		uploads[c.name] = func(t *testing.T) {
			begin := time.Now()
			conn := dial(t, address)
			defer conn.Close()
			sent := make(chan int64, 1)
			go func() { sent <- upload(conn, c.begin) }()
			said := dropped(t, conn, 30*time.Second)
			took := time.Since(begin)
			_ = conn.Close() // in case it was not dropped
			if !strings.Contains(said, c.says) {
				t.Errorf("got %q, want %q", said, c.says)
			}
			if n := <-sent; n > 64<<20 {
				t.Errorf("%d MiB were taken", n>>20)
			}
			if took > soon {
				t.Errorf("the refusal took %v", took)
			}
		}
	}
	before := allocated()
	atOnce(t, uploads)
	if got := allocated() - before; got > uint64(len(uploads))*48<<20 {
		t.Errorf("%d refusals took %d MiB of memory", len(uploads), got>>20)
	}
}

// upload sends until it has done so or cannot.
func upload(c net.Conn, begin string) (sent int64) {
	if _, err := io.WriteString(c, begin); err != nil {
		return 0
	}
	block := make([]byte, 256<<10)
	for sent < endless {
		n, err := c.Write(block)
		sent += int64(n)
		if err != nil {
			break
		}
	}
	return sent
}

// TestEndlessMessageGRPC is TestEndlessMessage over HTTP/2.
func TestEndlessMessageGRPC(t *testing.T) {
	address := startKV(t, nil)
	for _, m := range []string{"Put", "Watch", "Destroy"} {
		t.Run(m, func(t *testing.T) {
			before := allocated()
			body := &counter{Reader: io.MultiReader(strings.NewReader("\x00\x40\x00\x00\x00"), io.LimitReader(zeros{}, endless))}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/micro.kv.v1.KV/"+m, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
			begin := time.Now()
			rsp, err := newClient(true).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer rsp.Body.Close()
			if _, err := io.Copy(io.Discard, rsp.Body); err != nil {
				t.Error(err)
			}
			a := answer{status: rsp.StatusCode, took: time.Since(begin)}
			for _, h := range []http.Header{rsp.Header, rsp.Trailer} {
				if h.Get("Grpc-Status") != "" {
					a.fromGRPC(t, h)
				}
			}
			want := codes.ResourceExhausted
			if m == "Destroy" {
				want = codes.Unimplemented
			}
			a.expect(t, m, want)
			if n := body.n.Load(); n > 64<<20 {
				t.Errorf("%d MiB were taken", n>>20)
			}
			if got := allocated() - before; got > 64<<20 {
				t.Errorf("the refusal took %d MiB of memory", got>>20)
			}
		})
	}
}

// counter counts what is read of it.
type counter struct {
	io.Reader
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}
