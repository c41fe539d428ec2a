package regress_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// TestLeave: go-micro's server does not notice that the caller of a stream has left.
// Its handler must end within a second.
func TestLeave(t *testing.T) {
	t.Parallel()
	callers := map[string]struct {
		protocol string
		leave    func(t *testing.T, address string) // opens a stream, has one message, leaves
	}{
		"mucp":             {"mucp", leaveMuCP},
		"mucp, cut off":    {"mucp", cutMuCP},
		"go-micro's gRPC":  {"grpc", leaveMicroGRPC},
		"grpc":             {"grpc", leaveGRPC},
		"grpc, connection": {"grpc", cutGRPC},
		"connect":          {"connect", leaveHTTP("application/connect+json")},
		"grpcweb":          {"grpcweb", leaveHTTP("application/grpc-web+json")},
	}
	for name, c := range callers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan string, 1)
			run := start
			if c.protocol == "grpc" {
				run = startGRPC
			}
			address := run(t, &echo.Handler{Ended: func(protocol string) { ended <- protocol }})
			c.leave(t, address)
			select {
			case got := <-ended:
				if got != c.protocol {
					t.Errorf("a stream over %s ended, want %s", got, c.protocol)
				}
			case <-time.After(time.Second):
				t.Error("the handler goes on a second after its caller has left")
			}
		})
	}
}

var hold = &echopb.CountRequest{Count: 1, Hold: true}

func leaveMuCP(t *testing.T, address string) {
	st, err := stock(t, address, "application/protobuf").Count(t.Context(), hold)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

func cutMuCP(t *testing.T, address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"{}", `{"count":1,"hold":true}`} {
		if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Service: echo-srv\r\n"+
			"Micro-Endpoint: Echo.Count\r\nMicro-Stream: 1\r\nMicro-Id: 1\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bufio.NewReader(c).ReadString('}'); err != nil {
		t.Fatal(err)
	}
}

func leaveMicroGRPC(t *testing.T, address string) {
	ctx, cancel := context.WithCancel(limited(t, 10*time.Second))
	st, err := stockGRPC(t, address).Count(ctx, hold)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = st.Close() // only now does it let go
}

func openGRPC(t *testing.T, ctx context.Context, c *grpc.ClientConn) { //nolint:revive // t first, as everywhere here
	st, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.SendMsg(hold); err != nil {
		t.Fatal(err)
	}
	if err := st.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := st.RecvMsg(new(echopb.CountResponse)); err != nil {
		t.Fatal(err)
	}
}

func leaveGRPC(t *testing.T, address string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	openGRPC(t, ctx, dialGRPC(t, address))
}

func cutGRPC(t *testing.T, address string) {
	var conn net.Conn
	c, err := grpc.NewClient("passthrough:"+address, grpc.WithInsecure(), grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { //nolint:staticcheck // shortest
		var err error
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", a)
		return conn, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	openGRPC(t, t.Context(), c)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// leaveHTTP opens a stream of Connect or gRPC-Web: enveloped messages.
func leaveHTTP(contentType string) func(*testing.T, string) {
	return func(t *testing.T, address string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		msg := []byte(`{"count":1,"hold":true}`)
		body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(msg))), msg...)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/micro.test.v1.Echo/Count", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		rsp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer rsp.Body.Close()
		if _, err := rsp.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}
