package port_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// replying is echo-srv that answers more than messages.
type replying struct {
	echo.Handler

	held chan struct{} // what Count awaits between its header and its first message
}

func reply(ctx context.Context) *call.Call {
	c := call.FromContext(ctx)
	c.ReplyHeader().Set("X-Version", "7")
	c.ReplyHeader().Add("X-Many", "a")
	c.ReplyHeader().Add("X-Many", "b")
	c.ReplyHeader().Set("X-Key-Bin", connect.EncodeBinaryHeader([]byte{0, 1, 0xff}))
	c.ReplyTrailer().Set("X-Cost", "3")
	return c
}

func (r *replying) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	reply(ctx)
	return r.Handler.Call(ctx, req, rsp)
}

func (r *replying) Count(ctx context.Context, req *echopb.CountRequest, st echopb.Echo_CountStream) error {
	if err := reply(ctx).SendHeader(); err != nil {
		return err
	}
	if req.GetHold() {
		<-r.held
		return nil
	}
	return r.Handler.Count(ctx, req, st)
}

// wantReplies checks what reply has set.
func wantReplies(t *testing.T, header, trailer func(string) []string) {
	t.Helper()
	for name, want := range map[string][]string{"X-Version": {"7"}, "X-Many": {"a", "b"}, "X-Cost": nil} {
		if diff := cmp.Diff(want, header(name)); diff != "" {
			t.Errorf("header %s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string][]string{"X-Version": nil, "X-Cost": {"3"}} {
		if diff := cmp.Diff(want, trailer(name)); diff != "" {
			t.Errorf("trailer %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRepliesGRPC(t *testing.T) {
	r := &replying{held: make(chan struct{})}
	conn := dial(t, serve(t, config(), with(r)).Addr().String())
	for name, code := range map[string]codes.Code{"ok": codes.OK, "failed": codes.NotFound} {
		t.Run(name, func(t *testing.T) {
			var header, trailer metadata.MD
			err := conn.Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Code: int32(code)}, new(echopb.CallResponse), grpc.Header(&header), grpc.Trailer(&trailer))
			if rpcerr.Code(err) != code {
				t.Fatal(err)
			}
			if code != codes.OK { // then all may be in the trailer
				if all := metadata.Join(header, trailer); len(all.Get("X-Version")) != 1 || len(trailer.Get("X-Cost")) != 1 {
					t.Errorf("got header %v, trailer %v", header, trailer)
				}
				return
			}
			if got := header.Get("X-Key-Bin"); len(got) != 1 || got[0] != "\x00\x01\xff" {
				t.Errorf("binary header: got %q", got)
			}
			wantReplies(t, header.Get, trailer.Get)
		})
	}
	t.Run("stream", func(t *testing.T) {
		st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Count")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(st.SendMsg(&echopb.CountRequest{Hold: true}), st.CloseSend()); err != nil {
			t.Fatal(err)
		}
		header, err := st.Header() // before the first message
		if err != nil {
			t.Fatal(err)
		}
		close(r.held)
		if err := st.RecvMsg(new(echopb.CountResponse)); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		wantReplies(t, header.Get, st.Trailer().Get)
	})
}

func TestRepliesConnect(t *testing.T) {
	r := &replying{held: make(chan struct{})}
	address := serve(t, config(), with(r)).Addr().String()
	for name, opts := range map[string][]connect.ClientOption{"Connect": nil, "gRPC-Web": {connect.WithGRPCWeb()}} {
		t.Run(name, func(t *testing.T) {
			web := &http.Client{Transport: &http.Transport{}}
			defer web.CloseIdleConnections()
			unary := connect.NewClient[echopb.CallRequest, echopb.CallResponse](web, "http://"+address+"/micro.test.v1.Echo/Call", opts...)
			rsp, err := unary.CallUnary(limited(t), connect.NewRequest(&echopb.CallRequest{Text: "hi"}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := connect.DecodeBinaryHeader(rsp.Header().Get("X-Key-Bin")); err != nil || string(got) != "\x00\x01\xff" {
				t.Errorf("binary header: got %q, %v", got, err)
			}
			wantReplies(t, rsp.Header().Values, rsp.Trailer().Values)

			stream := connect.NewClient[echopb.CountRequest, echopb.CountResponse](web, "http://"+address+"/micro.test.v1.Echo/Count", opts...)
			st, err := stream.CallServerStream(limited(t), connect.NewRequest(&echopb.CountRequest{Count: 2}))
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			n := 0
			for st.Receive() {
				n++
			}
			if st.Err() != nil || n != 2 {
				t.Errorf("got %d messages, %v", n, st.Err())
			}
			wantReplies(t, st.ResponseHeader().Values, st.ResponseTrailer().Values)
		})
	}
	t.Run("before the first message", func(t *testing.T) {
		stream := connect.NewClient[echopb.CountRequest, echopb.CountResponse](http.DefaultClient, "http://"+address+"/micro.test.v1.Echo/Count")
		st, err := stream.CallServerStream(limited(t), connect.NewRequest(&echopb.CountRequest{Hold: true}))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.ResponseHeader().Get("X-Version"); got != "7" {
			t.Errorf("got %q", got)
		}
		close(r.held)
		if st.Receive() || st.Err() != nil {
			t.Errorf("got a message, or %v", st.Err())
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRepliesMuCP: go-micro's clients cannot see them.
func TestRepliesMuCP(t *testing.T) {
	address := serve(t, config(), with(&replying{})).Addr().String()
	c := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf"))
	if rsp, err := c.Call(limited(t), &echopb.CallRequest{Text: "hi"}); err != nil || rsp.GetText() != "hi" {
		t.Errorf("got %v, %v", rsp, err)
	}
	st, err := c.Count(limited(t), &echopb.CountRequest{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Recv(); err != nil {
		t.Error(err)
	}
	_, header, _ := post(t, "http://"+address, `{}`, http.Header{"Micro-Endpoint": {"Echo.Call"}})
	if got := header.Get("X-Version"); got != "" {
		t.Errorf("got header X-Version %q", got)
	}
}

// seeing tells of the call that it serves.
type seeing struct {
	echo.Handler

	calls chan call.Call
}

func (s *seeing) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	c := *call.FromContext(ctx)
	c.Headers = call.HTTP(c.Header())
	s.calls <- c
	return s.Handler.Call(ctx, req, rsp)
}

// TestCall: what a handler learns of its call is the same at every door.
func TestCall(t *testing.T) {
	s := &seeing{calls: make(chan call.Call, 1)}
	address := serve(t, config(), with(s)).Addr().String()
	raw := []byte{0, 1, 0xff}
	want := http.Header{"X-Tenant": {"a"}, "X-Key-Bin": {connect.EncodeBinaryHeader(raw)}}
	doors := map[string]func(t *testing.T) error{
		call.GRPC: func(t *testing.T) error {
			ctx := metadata.AppendToOutgoingContext(limited(t), "X-Tenant", "a", "X-Key-Bin", string(raw))
			return dial(t, address).Invoke(ctx, "/micro.test.v1.Echo/Call", &echopb.CallRequest{}, new(echopb.CallResponse))
		},
		call.Connect: func(t *testing.T) error {
			post(t, "http://"+address+"/micro.test.v1.Echo/Call", `{}`, want)
			return nil
		},
		call.GRPCWeb: func(t *testing.T) error {
			c := connect.NewClient[echopb.CallRequest, echopb.CallResponse](
				&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+address+"/micro.test.v1.Echo/Call", connect.WithGRPCWeb())
			req := connect.NewRequest(&echopb.CallRequest{})
			maps.Copy(req.Header(), want)
			_, err := c.CallUnary(limited(t), req)
			return err
		},
		call.MuCP: func(t *testing.T) error {
			header := want.Clone()
			header.Set("Micro-Endpoint", "Echo.Call")
			post(t, "http://"+address, `{}`, header)
			return nil
		},
	}
	for protocol, through := range doors {
		t.Run(protocol, func(t *testing.T) {
			if err := through(t); err != nil {
				t.Fatal(err)
			}
			got := receive(t, s.calls, "the handler")
			if got.Service != "echo-srv" || got.Endpoint != "Echo.Call" || got.Protocol != protocol || got.Stream || got.Peer == "" {
				t.Errorf("got %+v", got)
			}
			for k, v := range want {
				if diff := cmp.Diff(v, got.Header()[k]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", k, diff)
				}
			}
		})
	}
}

// TestWrappers: those of the config are outside of those that an application adds, at
// every door, and see the message.
func TestWrappers(t *testing.T) {
	var order []string
	note := func(name string) server.HandlerWrapper {
		return func(next server.HandlerFunc) server.HandlerFunc {
			return func(ctx context.Context, req server.Request, rsp any) error {
				order = append(order, name+" "+req.Service()+" "+req.Endpoint()+" "+req.Body().(*echopb.CallRequest).GetText())
				return next(ctx, req, rsp)
			}
		}
	}
	c := config()
	c.Wrappers = []server.HandlerWrapper{note("first"), note("second")}
	s := serve(t, c, func(s server.Server) error { return s.Init(server.WrapHandler(note("third"))) }, with(&echo.Handler{}))
	address := s.Addr().String()
	want := []string{"first echo-srv Echo.Call hi", "second echo-srv Echo.Call hi", "third echo-srv Echo.Call hi"}
	for name, through := range map[string]func() error{
		"gRPC": func() error {
			return dial(t, address).Invoke(limited(t), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: "hi"}, new(echopb.CallResponse))
		},
		"Connect": func() error { post(t, "http://"+address+"/Echo/Call", `{"text":"hi"}`, nil); return nil },
		"go-micro RPC": func() error {
			_, err := echopb.NewEchoService("echo-srv", micro(t, address, "application/protobuf")).Call(limited(t), &echopb.CallRequest{Text: "hi"})
			return err
		},
	} {
		order = nil
		if err := through(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
