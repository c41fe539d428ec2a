package tls_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestStalledHandshake: who does not shake hands, or says nothing after, is dropped.
func TestStalledHandshake(t *testing.T) {
	s := open(t, false, "PLATFORM_TIMEOUT", "3s") // a third of it is for the first word
	tests := map[string]func(net.Conn) error{
		"nothing":       func(net.Conn) error { return nil },
		"half a record": func(c net.Conn) error { return write(c, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") },
		"no TLS":        func(c net.Conn) error { return write(c, strings.Repeat("\xff", 1000)) },
		"SSL 2":         func(c net.Conn) error { return write(c, "\x80\x2e\x01\x00\x02") },
	}
	for name, protocols := range map[string][]string{"h2 alone": {"h2"}, "h2 too": {"h2", "http/1.1"}, "HTTP/1.1": nil} {
		tests[name+", then nothing"] = func(c net.Conn) error {
			conf := s.trust(t, nil)
			conf.ServerName, conf.NextProtos = "echo.test", protocols
			return tls.Client(c, conf).HandshakeContext(t.Context())
		}
	}
	for name, say := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			if err := say(c); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
		})
	}
}

func write(c net.Conn, text string) error {
	_, err := io.WriteString(c, text)
	return err
}

// dial opens a connection that a test must not wait for longer than patience.
func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHTTP2 breaks the rules of HTTP/2 on both servers that speak it: that of gRPC for
// who offers h2 alone, net/http for who offers HTTP/1.1, too. What a caller costs stays
// bounded, and others are served.
func TestHTTP2(t *testing.T) {
	const streams = 2000
	attacks := map[string]func(f *http2.Framer, h *headers){
		"streams that are reset at once": func(f *http2.Framer, h *headers) {
			for i := range uint32(streams) {
				must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: h.call(), EndHeaders: true}))
				must(t, f.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
			}
		},
		"requests that end twice": func(f *http2.Framer, h *headers) { // grpc-go 1.84.0 panics
			for i := range uint32(streams) {
				must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: h.call(), EndHeaders: true, EndStream: i%2 == 0}))
				for range 3 {
					must(t, f.WriteData(2*i+1, true, make([]byte, 5)))
				}
			}
		},
		"headers without end": func(f *http2.Framer, h *headers) {
			must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.call()}))
			for i := range streams {
				must(t, f.WriteContinuation(1, false, h.field(fmt.Sprint("x-", i), strings.Repeat("x", 1000))))
			}
		},
		"settings without end": func(f *http2.Framer, _ *headers) {
			for range streams {
				must(t, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}))
			}
		},
		"pings without end": func(f *http2.Framer, _ *headers) {
			for range streams {
				must(t, f.WritePing(false, [8]byte{}))
			}
		},
		"empty frames without end": func(f *http2.Framer, h *headers) {
			must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.call(), EndHeaders: true}))
			for range streams {
				must(t, f.WriteData(1, false, nil))
			}
		},
		"answers that nobody takes": func(f *http2.Framer, h *headers) {
			must(t, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
			for i := range uint32(streams) {
				must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: h.call(), EndHeaders: true}))
				must(t, f.WriteData(2*i+1, true, make([]byte, 5)))
			}
		},
	}
	for server, protocols := range map[string][]string{"gRPC": {"h2"}, "net/http": {"h2", "http/1.1"}} {
		for name, attack := range attacks {
			t.Run(server+"/"+name, func(t *testing.T) {
				s := open(t, false)
				conf := s.trust(t, nil)
				conf.ServerName, conf.NextProtos = "echo.test", protocols
				before := heap()
				var callers sync.WaitGroup
				for range 2 {
					c := tls.Client(s.dial(t), conf)
					callers.Go(func() {
						var b bytes.Buffer
						b.WriteString(http2.ClientPreface)
						f, h := http2.NewFramer(&b, nil), newHeaders()
						must(t, f.WriteSettings())
						attack(f, h)
						_, _ = c.Write(b.Bytes()) // until the server has had enough
						if got := (heap() - before) >> 20; got > 128 {
							t.Errorf("the heap has grown by %d MiB", got)
						}
					})
					go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
				}
				callers.Wait()
				if err := s.hello(t, s.trust(t, nil)); err != nil {
					t.Errorf("another caller: %v", err)
				}
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// heap is what this process has, callers and services: their input is a part of it.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// headers writes header blocks of one connection.
type headers struct {
	b bytes.Buffer
	e *hpack.Encoder
}

func newHeaders() *headers {
	h := &headers{}
	h.e = hpack.NewEncoder(&h.b)
	return h
}

// call begins a call.
func (h *headers) call() []byte {
	h.b.Reset()
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "https"}, {":path", "/micro.test.v1.Echo/Call"}, {":authority", "127.0.0.1"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		_ = h.e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // to memory
	}
	return h.b.Bytes()
}

func (h *headers) field(name, value string) []byte {
	h.b.Reset()
	_ = h.e.WriteField(hpack.HeaderField{Name: name, Value: value}) // to memory
	return h.b.Bytes()
}

// TestStalledReader: who does not take an answer is cut off, over HTTP/1.1 with the
// connection.
func TestStalledReader(t *testing.T) {
	s := open(t, false, "PLATFORM_WRITE_TIMEOUT", "1s", "PLATFORM_MAX_MESSAGE", "64MiB")
	conf := s.trust(t, nil)
	conf.ServerName = "echo.test"
	c := tls.Client(s.dial(t), conf)
	body := fmt.Sprintf(`{"payload":%q}`, strings.Repeat("AAAA", 5_000_000))
	if _, err := fmt.Fprintf(c, "POST /micro.test.v1.Echo/Call HTTP/1.1\r\nHost: echo.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	for { // as long as it goes: what is closed cannot be written
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: echo.test\r\n\r\n"); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open")
		} else if err != nil {
			return
		}
	}
}
