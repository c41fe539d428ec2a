package abuse_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPipelining sends a hundred calls before it reads the first answer.
func TestPipelining(t *testing.T) {
	address := startEcho(t, nil)
	c := dial(t, address)
	defer c.Close()
	const calls = 100
	var all strings.Builder
	for i := range calls {
		all.WriteString(muCP("Echo.Call", fmt.Sprintf(`{"text":"call %d"}`, i), fmt.Sprint("Micro-Id: ", i)))
	}
	send(t, c, all.String())
	from := bufio.NewReader(c)
	for i := range calls {
		rsp, body := receive(t, from)
		if got, want := body, fmt.Sprintf(`"call %d"`, i); !strings.Contains(got, want) || rsp.Header.Get("Micro-Id") != fmt.Sprint(i) {
			t.Fatalf("answer %d: got %s with ID %s", i, got, rsp.Header.Get("Micro-Id"))
		}
	}
}

// TestSmuggling sends what a proxy in front may take for one request and the service
// for two. The second must not be served.
func TestSmuggling(t *testing.T) {
	smuggled := muCP("Echo.Call", "{}")
	head := "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Endpoint: Echo.Collect\r\n"
	// Of go-micro RPC, whose clients send empty messages in chunks, net/http hides it.
	unary := "POST /micro.test.v1.Echo/Call HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))
	for name, request := range map[string]string{
		"two lengths":                      head + "Content-Length: 0\r\n" + length + "\r\n" + smuggled,
		"two lengths in one header":        head + fmt.Sprintf("Content-Length: 0, %d\r\n\r\n", len(smuggled)) + smuggled,
		"length with a sign":               head + "Content-Length: +0\r\n\r\n" + smuggled,
		"negative length":                  head + "Content-Length: -1\r\n\r\n" + smuggled,
		"length in hex":                    head + "Content-Length: 0x0\r\n\r\n" + smuggled,
		"length that overflows":            head + "Content-Length: 18446744073709551616\r\n\r\n" + smuggled,
		"space before the colon":           head + "Content-Length : 0\r\n\r\n" + smuggled,
		"continued header":                 head + "X: a\r\n Content-Length: 0\r\n" + "Content-Length: x\r\n\r\n" + smuggled,
		"unknown transfer encoding":        head + length + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two transfer encodings":           head + length + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
		"two transfer encodings in one":    head + length + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"transfer encoding with a tab":     head + length + "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n" + smuggled,
		"chunk whose length has a sign":    head + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + smuggled,
		"chunk whose length overflows":     head + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + smuggled,
		"chunk without an end":             head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n" + smuggled,
		"chunk that ends with a line feed": head + "Transfer-Encoding: chunked\r\n\r\n1;x\n" + "a\r\n0\r\n\r\n" + smuggled,
		"null in a header":                 head + "X: \x00\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"carriage return alone":            head + "X: a\rContent-Length: 0\r\n\r\n" + smuggled,
		"no host":                          "POST / HTTP/1.1\r\nMicro-Endpoint: Echo.Collect\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"two hosts":                        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"length and transfer encoding":     unary + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"transfer encoding and length":     unary + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			address := startEcho(t, nil)
			c := dial(t, address)
			defer c.Close()
			send(t, c, request)
			said := dropped(t, c, soon)
			if strings.Count(said, "HTTP/1.1") != 1 {
				t.Errorf("got %q", said)
			}
			if served := metric(t, address, `rpc_server_requests_total\{code="ok",endpoint="Echo.Call",protocol="mucp".*`); served != "" {
				t.Errorf("the smuggled call was served: %s", served)
			}
		})
	}
}

// TestHeaderBomb sends a mebibyte of headers, and ten thousand of them.
func TestHeaderBomb(t *testing.T) {
	address := startKV(t, nil)
	one := "X: " + strings.Repeat("x", 1<<20) + "\r\n"
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-%d: x\r\n", i)
	}
	for name, headers := range map[string]string{"one": one, "many": many.String()} {
		for what, before := range map[string]string{
			"mucp":             "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nMicro-Endpoint: KV.List\r\nContent-Length: 0\r\n",
			"connect":          "POST /micro.kv.v1.KV/List HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n",
			"message of mucp":  openStream("KV.Watch") + "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nMicro-Stream: 1\r\nContent-Length: 0\r\n",
			"trailers of mucp": "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nMicro-Endpoint: KV.List\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				begin, had := time.Now(), allocated()
				c := dial(t, address)
				defer c.Close()
				go func() { _, _ = io.WriteString(c, before+headers+"\r\n") }() // cut off
				said := dropped(t, c, 30*time.Second)
				if took := time.Since(begin); took > soon {
					t.Errorf("the refusal took %v", took)
				}
				if said != "" && !strings.Contains(said, " 431 ") && !strings.Contains(said, "resource_exhausted") && !strings.Contains(said, "invalid_argument") {
					t.Errorf("got %q", said)
				}
				if got := allocated() - had; got > 16<<20 {
					t.Errorf("the refusal took %d MiB of memory", got>>20)
				}
			})
		}
		t.Run(name+", grpc", func(t *testing.T) {
			header := http.Header{}
			for line := range strings.SplitSeq(headers, "\r\n") {
				if k, v, ok := strings.Cut(line, ": "); ok {
					header.Set(k, v)
				}
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/micro.kv.v1.KV/List", strings.NewReader("\x00\x00\x00\x00\x00"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = header
			req.Header.Set("Content-Type", "application/grpc")
			begin := time.Now()
			rsp, err := newClient(true).Do(req)
			if took := time.Since(begin); took > soon {
				t.Errorf("the refusal took %v", took)
			}
			if err == nil {
				defer rsp.Body.Close()
				t.Errorf("got %s", rsp.Status)
			}
		})
	}
	serves(t, address)
}

// TestOnlyConnect makes sure that the service is nobody's proxy.
func TestOnlyConnect(t *testing.T) {
	address := startKV(t, nil)
	for _, line := range []string{"CONNECT evil.example:443", "GET http://evil.example/healthz", "POST http://evil.example/micro.kv.v1.KV/List", "OPTIONS *", "TRACE /healthz"} {
		c := dial(t, address)
		host := "127.0.0.1"
		send(t, c, line+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nX-Secret: s\r\nContent-Length: 0\r\n\r\n")
		rsp, body := receive(t, bufio.NewReader(c))
		if rsp.StatusCode < 400 && !strings.HasPrefix(line, "OPTIONS") || strings.Contains(body, "X-Secret") {
			t.Errorf("%s: got %s %q", line, rsp.Status, body)
		}
		_ = c.Close()
	}
}
