package abuse_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// TestWrongStream breaks the rules of a stream of go-micro RPC, which has a connection
// to itself: each must end with a code that says whose fault it was, and be closed.
func TestWrongStream(t *testing.T) {
	t.Parallel()
	address := startKV(t, quick())
	watch := func(headers, body string) string {
		return "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Endpoint: KV.Watch\r\nMicro-Stream: 1\r\n" + headers + "\r\n" + body
	}
	opened := watch("Content-Length: 0\r\n", "")
	tests := map[string]func(*testing.T){}
	for name, c := range map[string]struct {
		says string
		want codes.Code
	}{
		"no request":               {opened, codes.DeadlineExceeded},
		"half a line":              {opened + "POS", codes.InvalidArgument}, // it is read as a whole one
		"half a request":           {opened + watch("Content-Length: 9\r\n", "{"), codes.DeadlineExceeded},
		"end before the request":   {opened + watch("Micro-Error: EOS\r\nContent-Length: 0\r\n", ""), codes.Unimplemented},
		"error for a request":      {opened + watch("Micro-Error: oh\r\nContent-Length: 0\r\n", ""), codes.InvalidArgument},
		"no HTTP":                  {opened + "\x00\x01\x02\r\n\r\n", codes.InvalidArgument},
		"an answer":                {opened + "HTTP/1.1 200 OK\r\n\r\n", codes.InvalidArgument},
		"broken chunks":            {opened + watch("Transfer-Encoding: chunked\r\n", "zz\r\n"), codes.InvalidArgument},
		"two lengths":              {opened + watch("Content-Length: 0\r\nContent-Length: 1\r\n", "x"), codes.InvalidArgument},
		"negative length":          {opened + watch("Content-Length: -1\r\n", ""), codes.InvalidArgument},
		"length that is a lie":     {opened + watch("Content-Length: 9223372036854775807\r\n", "{}"), codes.DeadlineExceeded},
		"headers without end":      {opened + "POST / HTTP/1.1\r\n" + strings.Repeat("X: x\r\n", 20_000), codes.ResourceExhausted},
		"a header without end":     {opened + "POST / HTTP/1.1\r\nX: " + strings.Repeat("x", 100_000), codes.ResourceExhausted},
		"broken JSON":              {opened + watch("Content-Length: 1\r\n", "{"), codes.InvalidArgument},
		"unknown content type":     {strings.Replace(opened, "/json", "/xml", 1), codes.InvalidArgument},
		"unknown method":           {strings.Replace(opened, "Watch", "Listen", 1), codes.Unimplemented},
		"method that is no stream": {strings.Replace(opened, "Watch", "Get", 1), codes.InvalidArgument},
		"large opening":            {watch("Content-Length: 5000000\r\n", strings.Repeat(" ", 5_000_000)), codes.ResourceExhausted},
		"broken opening":           {watch("Transfer-Encoding: chunked\r\n", "zz\r\n"), codes.InvalidArgument},
	} {
		tests[name] = func(t *testing.T) {
			begin := time.Now()
			conn := dial(t, address)
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, c.says) }() // as much as is taken
			rsp, _ := receive(t, bufio.NewReader(conn))
			muCPAnswer(t, rsp, time.Since(begin)).expect(t, name, c.want)
			goesOn(t, conn)
		}
	}
	atOnce(t, tests)
}

// goesOn sends messages in a stream that is over, until it is closed: soon, whatever is
// sent.
func goesOn(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(5*time.Second + soon)); err != nil { // the caller has 5s to close it
		t.Fatal(err)
	}
	go trickleMessages(c)
	if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "i/o timeout") {
		t.Error("the stream is over, and its connection still open")
	}
}

func trickleMessages(c net.Conn) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(c, inStream("KV.Watch", "{}")); err != nil {
			return
		}
	}
}

// TestLeavingStream goes away at every moment of a stream. startKV sees whether that
// counts as a failure of the service, or lets a call go on.
func TestLeavingStream(t *testing.T) {
	address := startKV(t, nil)
	whole := openStream("KV.Watch") + inStream("KV.Watch", "{}") + inStream("KV.Watch", "{}")
	for i := range len(whole) {
		c := dial(t, address)
		send(t, c, whole[:i+1])
		if i%3 == 0 { // half of a connection may close
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 1 { // reset
			if err := c.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
	}
}

// TestLeavingStreamElsewhere is TestLeavingStream for the other protocols.
func TestLeavingStreamElsewhere(t *testing.T) {
	address := startKV(t, nil)
	for _, d := range doors() {
		if strings.HasPrefix(d.name, "mucp") {
			continue
		}
		body := append(envelope(0, map[bool][]byte{true: []byte("{}")}[d.json]), 0, 0)
		for n := range body {
			leaveEarly(t, address, contentType(d, true), strings.HasPrefix(d.name, "grpc+"), body[:n])
		}
	}
}

func leaveEarly(t *testing.T, address, contentType string, http2 bool, body []byte) {
	t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/micro.kv.v1.KV/Watch", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
	go func() {
		_, _ = w.Write(body) // as much as is taken
		_ = w.CloseWithError(io.ErrClosedPipe)
	}()
	rsp, err := newClient(http2).Do(req)
	if err == nil {
		_ = rsp.Body.Close()
	}
}
