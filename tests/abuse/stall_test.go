package abuse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// flood is a stream that does not end within a test: 20 TiB.
const flood = `{"count":2000000000,"size":10000}`

// TestStalledReader opens streams and reads the first message alone. What the service
// keeps for such a caller is bounded, and ends when the caller goes.
func TestStalledReader(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, address string) (leave func()){
		"mucp": func(t *testing.T, address string) func() {
			c := dial(t, address)
			send(t, c, openStream("Echo.Count")+inStream("Echo.Count", flood))
			first(t, c)
			return func() { _ = c.Close() }
		},
		"connect": func(t *testing.T, address string) func() {
			return openHTTP(t, address, "application/connect+json", false)
		},
		"grpcweb": func(t *testing.T, address string) func() {
			return openHTTP(t, address, "application/grpc-web+json", false)
		},
		"grpc": func(t *testing.T, address string) func() {
			return openHTTP(t, address, "application/grpc+json", true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := startEcho(t, nil)
			serveEcho(t, address)
			before := usage()
			const callers = 10
			for range callers {
				defer open(t, address)()
			}
			running := fmt.Sprintf(`rpc_server_in_flight{endpoint="Echo.Count",protocol=%q} %d`, name, callers)
			for range 10 { // meanwhile the service sends until nothing more fits
				if all := metrics(t, address); !strings.Contains(all, running) {
					t.Fatalf("want %s, have %s", running, inFlight.FindString(all))
				}
			}
			runtime.GC()
			if got := usage().heap - before.heap; got > callers<<20 {
				t.Errorf("%d stalled callers take %d KiB", callers, got>>10)
			}
		}) // startEcho awaits that no call is in flight any more
	}
}

// first reads a little of an answer.
func first(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
}

// openHTTP opens Echo.Count in envelopes.
func openHTTP(t *testing.T, address, contentType string, http2 bool) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	body := string(envelope(0, []byte(flood)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/micro.test.v1.Echo/Count", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
	rsp, err := newClient(http2).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	first(t, rsp.Body)
	return func() {
		cancel()
		_ = rsp.Body.Close()
	}
}

func serveEcho(t *testing.T, address string) {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	send(t, c, muCP("Echo.Call", `{"text":"hi"}`))
	if _, body := receive(t, bufio.NewReader(c)); !strings.Contains(body, `"hi"`) {
		t.Fatalf("got %q", body)
	}
}

// TestReaderThatStays is a caller that neither reads nor goes. It has as long as a
// message may take to leave.
func TestReaderThatStays(t *testing.T) {
	t.Parallel()
	const put = "POST /micro.test.v1.Echo/"
	large := fmt.Sprintf(`{"payload":%q}`, strings.Repeat("AAAA", 500_000))
	envelope := string(envelope(0, []byte(flood)))
	http1 := func(path, contentType, body string) string {
		return fmt.Sprintf("%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", put, path, contentType, len(body), body)
	}
	address := startEcho(t, quick())
	tests := map[string]func(*testing.T){}
	for name, request := range map[string]string{
		"mucp":            muCP("Echo.Call", large),
		"mucp, stream":    openStream("Echo.Count") + inStream("Echo.Count", flood),
		"connect":         http1("Call", "application/json", large),
		"connect, stream": http1("Count", "application/connect+json", envelope),
		"grpcweb":         http1("Count", "application/grpc-web+json", envelope),
		"page":            "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	} {
		tests[name] = func(t *testing.T) {
			conn := dial(t, address)
			defer conn.Close()
			// The kernel makes room for a while where there seems to be none.
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			for { // as long as it goes: what is closed cannot be written
				if _, err := io.WriteString(conn, request); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection is still open")
				} else if err == nil {
					continue
				}
				return
			}
		}
	}
	atOnce(t, tests)
}

// TestHalfMessage: after a message that has left in part nothing may follow, or the
// caller takes it for the rest.
func TestHalfMessage(t *testing.T) {
	t.Parallel()
	address := startEcho(t, quick())
	conn := dial(t, address)
	send(t, conn, openStream("Echo.Count")+inStream("Echo.Count", `{"count":1000,"size":3000000}`)) // of which the kernel takes a part
	await(t, "the service to give up", func() string {
		if metric(t, address, `rpc_server_requests_total\{code="deadline_exceeded",endpoint="Echo.Count".*`) == "" {
			return "none was given up"
		}
		return ""
	})
	for from := bufio.NewReader(conn); ; {
		rsp, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatalf("between messages: %v", err)
		}
		body, err := io.ReadAll(rsp.Body)
		if strings.Contains(string(body), "HTTP/1.1") || rsp.Header.Get("Micro-Error") != "" {
			t.Fatalf("half a message (%d bytes, %v) is followed by another: %q", len(body), err, rsp.Header.Get("Micro-Error"))
		}
		if err != nil {
			return // where it was cut off
		}
	}
}

// TestHastyWriter sends messages as large as they may be to a stream that cannot answer
// them, since nobody reads. They must not pile up in memory.
func TestHastyWriter(t *testing.T) {
	address := startEcho(t, nil)
	serveEcho(t, address)
	before := usage()
	message := inStream("Echo.Chat", fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 4<<20-100)))
	const callers = 3
	var writers sync.WaitGroup
	for range callers {
		conn := dial(t, address)
		t.Cleanup(func() { _ = conn.Close() })
		send(t, conn, openStream("Echo.Chat"))
		writers.Go(func() {
			for n := 0; ; n++ {
				_ = conn.SetWriteDeadline(time.Now().Add(2 * time.Second)) // fails as the next line will
				if _, err := io.WriteString(conn, message); err != nil {
					return // no more is taken
				}
				if n > 10 {
					t.Errorf("%d messages were taken", n)
					return
				}
			}
		})
	}
	writers.Wait()
	runtime.GC()
	if got := usage().heap - before.heap; got > callers*40<<20 {
		t.Errorf("%d callers take %d MiB", callers, got>>20)
	}
}
