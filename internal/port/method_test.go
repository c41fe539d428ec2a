package port_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"go-micro.dev/v5/client"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// paths are the names of Echo.Call, and of none.
var paths = map[string]bool{
	"/micro.test.v1.Echo/Call":   true,
	"/Echo/Call":                 true, // of a client without a package
	"/echo-srv.Echo/Call":        true, // of go-micro's gRPC client: the registered name
	"/com.example.srv.Echo/Call": true,

	"/micro.test.v1.Echo/None": false,
	"/micro.test.v1.None/Call": false,
	"/micro.test.v1.Echo/call": false,
	"/echo/Call":               false,
	"/Echo.Call":               false,
	"/Echo/Call/":              false,
	"/Echo/":                   false,
	"/x/Echo/Call":             false,
}

func TestPaths(t *testing.T) {
	address := run(t)
	conn := dial(t, address)
	for path, known := range paths {
		t.Run(path, func(t *testing.T) {
			out := new(echopb.CallResponse)
			err := conn.Invoke(limited(t), path, &echopb.CallRequest{Text: "hi"}, out)
			if known && (err != nil || out.GetText() != "hi") || !known && status.Code(err) != codes.Unimplemented {
				t.Errorf("gRPC: got %v, %v", out, err)
			}
			code, _, body := post(t, "http://"+address+path, `{"text":"hi"}`, nil)
			if known && (code != http.StatusOK || body != `{"text":"hi"}`) || !known && code != http.StatusNotFound {
				t.Errorf("Connect: got %d %s", code, body)
			}
		})
	}
}

// TestEndpoints: go-micro RPC names methods in headers, of which older clients have
// other ones.
func TestEndpoints(t *testing.T) {
	address := run(t)
	tests := map[string]struct {
		header http.Header
		known  bool
	}{
		"endpoint":            {http.Header{"Micro-Endpoint": {"Echo.Call"}}, true},
		"method":              {http.Header{"Micro-Method": {"Echo.Call"}}, true},
		"endpoint and method": {http.Header{"Micro-Endpoint": {"Echo.Call"}, "Micro-Method": {"Call"}}, true},
		"before 1.0":          {http.Header{"X-Micro-Endpoint": {"Echo.Call"}}, true},
		"method before 1.0":   {http.Header{"X-Micro-Method": {"Echo.Call"}}, true},
		"full name":           {http.Header{"Micro-Endpoint": {"micro.test.v1.Echo.Call"}}, false},
		"none of that name":   {http.Header{"Micro-Endpoint": {"Echo.None"}}, false},
		"a service alone":     {http.Header{"Micro-Service": {"echo-srv"}}, false},
		"a topic":             {http.Header{"Micro-Topic": {"events"}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.header.Set("Micro-Id", "7")
			code, header, body := post(t, "http://"+address, `{"text":"hi"}`, tt.header)
			fault := merrors.Parse(header.Get("Micro-Error"))
			switch {
			case code != http.StatusOK || header.Get("Micro-Id") != "7":
				t.Errorf("got status %d, header %v", code, header)
			case tt.known && body != `{"text":"hi"}`:
				t.Errorf("got %s, %v", body, fault)
			case !tt.known && (fault.GetStatus() != "unimplemented" || body != ""):
				t.Errorf("got %s, %v, want unimplemented", body, fault)
			}
		})
	}
}

// Greeter has no proto file.
type Greeter struct{}

// Hello is what its requests and responses look like.
type Hello struct {
	Name string `json:"name"`
}

// Hello is unary.
func (*Greeter) Hello(_ context.Context, req, rsp *Hello) error {
	rsp.Name = "hello " + req.Name
	return nil
}

// Chat is a stream.
func (*Greeter) Chat(_ context.Context, st server.Stream) error {
	var in Hello
	if err := st.Recv(&in); err != nil {
		return err
	}
	return st.Send(&Hello{"hello " + in.Name})
}

// Close is no RPC.
func (*Greeter) Close() error { return nil }

// Describe is none either.
func (*Greeter) Describe(context.Context, Hello, *Hello) error { return nil }

func TestNoProto(t *testing.T) {
	s := serve(t, config(), func(s server.Server) error { return s.Handle(s.NewHandler(&Greeter{})) })
	address := s.Addr().String()
	c := micro(t, address, "application/json")
	t.Run("go-micro RPC", func(t *testing.T) {
		var got Hello
		if err := c.Call(limited(t), c.NewRequest("echo-srv", "Greeter.Hello", &Hello{"you"}), &got); err != nil || got.Name != "hello you" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("go-micro RPC, stream", func(t *testing.T) {
		st, err := c.Stream(limited(t), c.NewRequest("echo-srv", "Greeter.Chat", &Hello{}, client.StreamingRequest()))
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		var got Hello
		if err := st.Send(&Hello{"you"}); err != nil {
			t.Fatal(err)
		}
		if err := st.Recv(&got); err != nil || got.Name != "hello you" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		if code, _, body := post(t, "http://"+address+"/Greeter/Hello", `{"name":"you"}`, nil); code != http.StatusOK || body != `{"name":"hello you"}` {
			t.Errorf("got %d %s", code, body)
		}
	})
	t.Run("gRPC", func(t *testing.T) {
		var got Hello
		if err := dial(t, address).Invoke(limited(t), "/Greeter/Hello", &Hello{"you"}, &got, grpc.ForceCodecV2(plain{})); err != nil || got.Name != "hello you" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("protobuf", func(t *testing.T) {
		_, _, body := post(t, "http://"+address+"/Greeter/Hello", "\x0a\x03you", http.Header{"Content-Type": {"application/proto"}})
		if !strings.Contains(body, "this method takes application/json alone") {
			t.Errorf("got %s", body)
		}
	})
	for _, name := range []string{"Close", "Describe"} {
		if code, _, body := post(t, "http://"+address+"/Greeter/"+name, `{}`, nil); code != http.StatusNotFound {
			t.Errorf("%s, which is no RPC: got %d %s", name, code, body)
		}
	}
}

// plain is the codec of a gRPC caller without protobuf.
type plain struct{}

func (plain) Name() string { return "json" }

func (plain) Marshal(v any) (mem.BufferSlice, error) {
	b, err := json.Marshal(v)
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

func (plain) Unmarshal(b mem.BufferSlice, v any) error { return json.Unmarshal(b.Materialize(), v) }

func TestRegistered(t *testing.T) {
	c := config()
	serve(t, c, func(s server.Server) error {
		return s.Handle(s.NewHandler(&Greeter{}, server.EndpointMetadata("Greeter.Hello", map[string]string{"scope": "greet"})))
	})
	all, err := c.Registry.GetService("echo-srv")
	if err != nil || len(all) != 1 || len(all[0].Endpoints) != 2 {
		t.Fatalf("got %v, %v, want one service with two endpoints", all, err)
	}
	for _, e := range all[0].Endpoints {
		switch e.Name {
		case "Greeter.Hello":
			if e.Metadata["scope"] != "greet" || e.Metadata["stream"] != "" {
				t.Errorf("%s has %v", e.Name, e.Metadata)
			}
		case "Greeter.Chat":
			if e.Metadata["stream"] != "true" {
				t.Errorf("%s has %v", e.Name, e.Metadata)
			}
		default:
			t.Errorf("%s is registered", e.Name)
		}
	}
	if got := all[0].Nodes[0].Metadata["protocol"]; got != "mucp" {
		t.Errorf("the node's protocol is %q", got)
	}
}
