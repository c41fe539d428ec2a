package port_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"google.golang.org/grpc"

	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

var both = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

func TestChat(t *testing.T) {
	address := run(t)
	type chat interface {
		Send(*echopb.ChatRequest) error
		Recv() (*echopb.ChatResponse, error)
	}
	// Each message is answered before the next is sent.
	talk := func(t *testing.T, st chat) {
		t.Helper()
		for i := range 100 {
			text := fmt.Sprint("message ", i)
			if err := st.Send(&echopb.ChatRequest{Text: text}); err != nil {
				t.Fatal(err)
			}
			if got, err := st.Recv(); err != nil || got.GetText() != text {
				t.Fatalf("got %v, %v, want %s", got, err, text)
			}
		}
	}
	t.Run("gRPC", func(t *testing.T) {
		st, err := dial(t, address).NewStream(limited(t), both, "/micro.test.v1.Echo/Chat")
		if err != nil {
			t.Fatal(err)
		}
		talk(t, &grpc.GenericClientStream[echopb.ChatRequest, echopb.ChatResponse]{ClientStream: st})
		if err := st.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := st.RecvMsg(new(echopb.ChatResponse)); !errors.Is(err, io.EOF) {
			t.Errorf("after the last message: got %v, want EOF", err)
		}
	})
	for _, contentType := range []string{"application/protobuf", "application/json"} {
		t.Run("go-micro RPC, "+contentType, func(t *testing.T) {
			st, err := echopb.NewEchoService("echo-srv", micro(t, address, contentType)).Chat(limited(t))
			if err != nil {
				t.Fatal(err)
			}
			talk(t, st)
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHalfDuplex: over HTTP/1.1, a caller of the Connect protocol may send all before it
// reads.
func TestHalfDuplex(t *testing.T) {
	address := run(t)
	envelope := func(flag byte, text string) string {
		return string(append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(text))), text...))
	}
	for path, want := range map[string]string{
		"/Echo/Chat":    envelope(0, `{"text":"a"}`) + envelope(0, `{"text":"b"}`) + envelope(2, `{}`),
		"/Echo/Collect": envelope(0, `{"count":2}`) + envelope(2, `{}`),
	} {
		code, _, got := post(t, "http://"+address+path, envelope(0, `{"text":"a"}`)+envelope(0, `{"text":"b"}`), http.Header{"Content-Type": {"application/connect+json"}})
		if code != http.StatusOK || got != want {
			t.Errorf("%s: got %d %q, want %q", path, code, got, want)
		}
	}
}

func TestCollect(t *testing.T) {
	conn := dial(t, run(t))
	for _, n := range []int32{0, 1, 100} {
		st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ClientStreams: true}, "/micro.test.v1.Echo/Collect")
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := st.SendMsg(&echopb.CollectRequest{Text: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.CloseSend(); err != nil {
			t.Fatal(err)
		}
		got := new(echopb.CollectResponse)
		if err := st.RecvMsg(got); err != nil || got.GetCount() != n {
			t.Errorf("got %v, %v, want %d", got, err, n)
		}
		if err := st.RecvMsg(got); !errors.Is(err, io.EOF) {
			t.Errorf("after the answer: got %v, want EOF", err)
		}
	}
}

// TestEmptyMessages: go-micro's clients write an empty message in chunks, keep the
// connection, and do not notice that it was closed.
func TestEmptyMessages(t *testing.T) {
	c := echopb.NewEchoService("echo-srv", micro(t, run(t), "application/protobuf"))
	for i := range 10 {
		if _, err := c.Call(limited(t), &echopb.CallRequest{}); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
