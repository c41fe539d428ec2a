package regress_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	mclient "github.com/micro/platform/internal/client"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// TestSequentialCalls: go-micro's server keys calls by a header under a name that
// net/http does not deliver, so that a call can end in the socket of the one before.
func TestSequentialCalls(t *testing.T) {
	t.Parallel()
	calls := 100_000
	if testing.Short() {
		calls = 5_000
	}
	c, err := net.Dial("tcp", start(t, &echo.Handler{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range calls {
		if err := c.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint("call ", i)
		body := fmt.Sprintf(`{"text":%q}`, text)
		if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Service: echo-srv\r\n"+
			"Micro-Endpoint: Echo.Call\r\nMicro-Id: %d\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		rsp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		got, err := io.ReadAll(rsp.Body)
		if err != nil || rsp.Body.Close() != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if !strings.Contains(string(got), `"`+text+`"`) || rsp.Header.Get("Micro-Id") != fmt.Sprint(i) {
			t.Fatalf("call %d: got %q with ID %q", i, got, rsp.Header.Get("Micro-Id"))
		}
	}
}

// TestEmptyMessages: go-micro's client sends an empty message in chunks, and does not
// look whether a connection of its pool is still open.
func TestEmptyMessages(t *testing.T) {
	t.Parallel()
	c := stock(t, start(t, &echo.Handler{}), "application/protobuf")
	for i := range 200 {
		ctx := limited(t, 5*time.Second)
		if _, err := c.Call(ctx, &echopb.CallRequest{}, mclient.Unary(ctx, false)...); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

// TestStream: go-micro's server queues slices of a buffer that it writes over.
func TestStream(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"application/protobuf", "application/json"} {
		t.Run(contentType, func(t *testing.T) {
			t.Parallel()
			const count, size = 5_000, 100
			st, err := stock(t, start(t, &echo.Handler{}), contentType).Count(limited(t, time.Minute), &echopb.CountRequest{Count: count, Size: size})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			for i := range count {
				m, err := st.Recv()
				if err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if int(m.GetIndex()) != i || !bytes.Equal(m.GetPayload(), echo.Payload(i, size)) {
					t.Fatalf("message %d: got %v", i, m)
				}
			}
			if _, err := st.Recv(); err != io.EOF { //nolint:errorlint // what go-micro's client returns
				t.Errorf("at the end: got %v, want EOF", err)
			}
		})
	}
}

// TestPanic: go-micro's server never answers a call whose handler panics.
func TestPanic(t *testing.T) {
	t.Parallel()
	c := stock(t, start(t, &echo.Handler{}), "application/protobuf")
	begin := time.Now()
	_, err := c.Call(limited(t, 10*time.Second), &echopb.CallRequest{Panic: true}, mclient.Unary(limited(t, 4*time.Second), false)...)
	if e := mclient.Error(err); e == nil || e.Reason != "panic" {
		t.Errorf("got error %v, want an internal one", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the answer took %v", took)
	}
}

// TestDeadline: go-micro's client sends another deadline than its caller's, and its
// server cancels nothing.
func TestDeadline(t *testing.T) {
	t.Parallel()
	want := func(t *testing.T, left *durationpb.Duration) {
		t.Helper()
		if d := left.AsDuration(); left == nil || d <= 0 || d > 200*time.Millisecond {
			t.Errorf("the handler has %v left of 200ms", d)
		}
	}
	address := start(t, &echo.Handler{})
	in := &echopb.CallRequest{Text: "metadata"}
	t.Run("grpc", func(t *testing.T) {
		out := new(echopb.CallResponse)
		if err := dialGRPC(t, address).Invoke(limited(t, 200*time.Millisecond), "/micro.test.v1.Echo/Call", in, out); err != nil {
			t.Fatal(err)
		}
		want(t, out.GetLeft())
	})
	t.Run("our client", func(t *testing.T) {
		ctx := limited(t, 200*time.Millisecond)
		out, err := ours(t, address).Call(ctx, in, mclient.Unary(ctx, false)...)
		if err != nil {
			t.Fatal(err)
		}
		want(t, out.GetLeft())
	})
	for name, header := range map[string]http.Header{
		"connect": {"Connect-Timeout-Ms": {"200"}},
		"mucp":    {"Timeout": {"200000000"}, "Micro-Endpoint": {"Echo.Call"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/micro.test.v1.Echo/Call"
			if name == "mucp" {
				path = "/"
			}
			begin := time.Now()
			rsp := post(t, "http://"+address+path, header, `{"text":"metadata","sleep":"20s"}`)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("a call with 200ms took %v", took)
			}
			if !strings.Contains(rsp, "deadline_exceeded") {
				t.Errorf("got %s, want deadline_exceeded", rsp)
			}
		})
	}
}

// post returns the answer's body, or the error that stands in its header.
func post(t *testing.T, url string, header http.Header, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + rsp.Header.Get("Micro-Error")
}
