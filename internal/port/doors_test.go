package port_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/micro/platform/internal/port"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// door is a way to call a stream.
type door struct {
	name   string
	secure bool
	step   int  // messages that outgrow what the caller's side takes by itself
	tells  bool // the caller hears why a stream has ended in the midst of a message
	dial   func(t *testing.T, address string, secure *tls.Config) *caller
}

// caller has one connection, where the protocol can.
type caller struct {
	count  func(t *testing.T, r *echopb.CountRequest) (next func() error) // next returns io.EOF after the last message
	beside func(t *testing.T) (talk func() error)
	close  func()
}

var doors = []door{
	{"gRPC", false, 1, true, dialGRPC},
	{"gRPC, TLS", true, 1, true, dialGRPC},
	{"go-micro RPC", false, 16, false, dialMicro},
	{"Connect", false, 16, false, over("application/connect+json")},
	{"Connect, HTTP/2", true, 1, false, over("application/connect+json")},
	{"gRPC-Web", false, 16, false, over("application/grpc-web+json")},
	{"gRPC-Web, HTTP/2", true, 1, false, over("application/grpc-web+json")},
	{"gRPC of net/http", true, 1, false, over("application/grpc+json")},
	{"page", false, 16, false, over("")},
	{"page, HTTP/2", true, 1, false, over("")},
}

func (d door) config(t *testing.T) (port.Config, *tls.Config) {
	t.Helper()
	if !d.secure {
		return config(), nil
	}
	c, _, conf := secured(t, "billing.test")
	return c, conf
}

func dialGRPC(t *testing.T, address string, secure *tls.Config) *caller {
	t.Helper()
	creds := insecure.NewCredentials()
	if secure != nil {
		creds = credentials.NewTLS(secure)
	}
	conn, err := grpc.NewClient("passthrough:"+address, grpc.WithTransportCredentials(creds), grpc.WithInitialWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	return &caller{
		count: func(t *testing.T, r *echopb.CountRequest) func() error {
			t.Helper()
			st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(st.SendMsg(r), st.CloseSend()); err != nil {
				t.Fatal(err)
			}
			return func() error { return st.RecvMsg(new(echopb.CountResponse)) }
		},
		beside: func(t *testing.T) func() error {
			t.Helper()
			st, err := conn.NewStream(limited(t), both, "/micro.test.v1.Echo/Chat")
			if err != nil {
				t.Fatal(err)
			}
			return func() error {
				return errors.Join(st.SendMsg(&echopb.ChatRequest{Text: "hi"}), st.RecvMsg(new(echopb.ChatResponse)))
			}
		},
		close: func() { _ = conn.Close() },
	}
}

func dialMicro(t *testing.T, address string, _ *tls.Config) *caller {
	t.Helper()
	c := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf"))
	var open []io.Closer
	return &caller{
		count: func(t *testing.T, r *echopb.CountRequest) func() error {
			t.Helper()
			st, err := c.Count(limited(t), r)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, st)
			return func() error { _, err := st.Recv(); return err }
		},
		beside: func(t *testing.T) func() error {
			t.Helper()
			st, err := c.Chat(limited(t))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, st)
			return func() error {
				err := st.Send(&echopb.ChatRequest{Text: "hi"})
				_, failed := st.Recv()
				return errors.Join(err, failed)
			}
		},
		close: func() {
			for _, st := range open {
				_ = st.Close()
			}
		},
	}
}

// over dials net/http. Messages of a content type are in envelopes; without one a page
// is read in pieces.
func over(contentType string) func(*testing.T, string, *tls.Config) *caller {
	return func(t *testing.T, address string, secure *tls.Config) *caller {
		t.Helper()
		w := &web{contentType: contentType, url: "http://" + address, transport: &http.Transport{}}
		if secure != nil {
			w.url = "https://" + address
			w.transport = &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: true, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}}
		}
		return &caller{count: w.count, beside: w.beside, close: func() {
			for _, body := range w.open {
				_ = body.Close()
			}
			w.transport.CloseIdleConnections()
		}}
	}
}

// web is a caller over net/http.
type web struct {
	contentType, url string
	transport        *http.Transport
	open             []io.Closer
	conns            int
}

func (w *web) send(t *testing.T, path, contentType string, body io.Reader) *http.Response {
	t.Helper()
	ctx := httptrace.WithClientTrace(limited(t), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			w.conns++
		}
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
	rsp, err := (&http.Client{Transport: w.transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if rsp.ProtoMajor == 2 && w.conns != 1 {
		t.Fatalf("%d connections, want one", w.conns)
	}
	w.open = append(w.open, rsp.Body)
	return rsp
}

func (w *web) count(t *testing.T, r *echopb.CountRequest) func() error {
	t.Helper()
	if w.contentType == "" {
		rsp := w.send(t, "/events", "", nil)
		return func() error {
			_, err := io.ReadFull(rsp.Body, make([]byte, 60_000))
			return err
		}
	}
	msg, err := protojson.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	rsp := w.send(t, "/micro.test.v1.Echo/Count", w.contentType, strings.NewReader(envelope(msg)))
	return func() error {
		flag, b, err := nextEnvelope(rsp.Body)
		switch {
		case errors.Is(err, io.EOF) && rsp.Trailer.Get("Grpc-Status") == "0",
			flag == 2 && string(b) == "{}",
			flag == 0x80 && strings.Contains(string(b), "grpc-status: 0"):
			return io.EOF
		case errors.Is(err, io.EOF), flag != 0:
			return fmt.Errorf("got %q, trailer %v", b, rsp.Trailer)
		}
		return err
	}
}

// beside talks with the service beside a stream: over HTTP/1.1 by calls.
func (w *web) beside(t *testing.T) func() error {
	t.Helper()
	if strings.HasPrefix(w.url, "http:") {
		return func() error {
			code, _, body := post(t, w.url+"/Echo/Call", `{"text":"hi"}`, nil)
			if code != http.StatusOK {
				return fmt.Errorf("got %d %s", code, body)
			}
			return nil
		}
	}
	body, write := io.Pipe()
	w.open = append(w.open, write)
	go func() { _, _ = io.WriteString(write, envelope([]byte(`{"text":"hi"}`))) }() // ends with the pipe
	rsp := w.send(t, "/micro.test.v1.Echo/Chat", "application/connect+json", body)
	if _, _, err := nextEnvelope(rsp.Body); err != nil {
		t.Fatal(err)
	}
	return func() error {
		_, err := io.WriteString(write, envelope([]byte(`{"text":"hi"}`)))
		_, _, failed := nextEnvelope(rsp.Body)
		return errors.Join(err, failed)
	}
}

func envelope(msg []byte) string {
	return string(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(msg))), msg...))
}

func nextEnvelope(r io.Reader) (flag byte, msg []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, r, int64(binary.BigEndian.Uint32(head[1:])))
	return head[0], b.Bytes(), err
}

// askFile asks for a contract that there is not, whose name comes back.
func askFile() *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: strings.Repeat("x", 10_000)}}
}
