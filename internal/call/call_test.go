package call_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/metadata"

	"github.com/micro/platform/internal/call"
)

// lowerCase is headers as gRPC has them.
type lowerCase map[string][]string

func (l lowerCase) Each(f func(string, []string)) {
	for name, values := range l {
		f(name, values)
	}
}

func TestMetadata(t *testing.T) {
	tests := map[string]struct {
		headers call.Headers
		want    metadata.Metadata
	}{
		"none": {call.HTTP{}, metadata.Metadata{}},
		"HTTP": {
			call.HTTP{"Authorization": {"Bearer x"}, "X-Tenant": {"a"}, "X-Forwarded-For": {"10.0.0.1", "10.0.0.2"}, "Trace-Bin": {"AAE"}, "Empty": {""}},
			metadata.Metadata{"Authorization": "Bearer x", "X-Tenant": "a", "X-Forwarded-For": "10.0.0.1, 10.0.0.2", "Trace-Bin": "AAE", "Empty": ""},
		},
		"gRPC": {
			lowerCase{"authorization": {"Bearer x"}, "x-tenant": {"a", "b"}, "trace-bin": {"AAE"}},
			metadata.Metadata{"Authorization": "Bearer x", "X-Tenant": "a, b", "Trace-Bin": "AAE"},
		},
		"of this connection": {
			call.HTTP{
				"Connection": {"keep-alive"}, "Keep-Alive": {"5"}, "Te": {"trailers"}, "Trailer": {"X"}, "Transfer-Encoding": {"chunked"},
				"Upgrade": {"h2c"}, "Proxy-Connection": {"close"}, "Host": {"kv"},
			},
			metadata.Metadata{},
		},
		"of this message": {
			call.HTTP{
				"Content-Type": {"application/json"}, "Content-Length": {"2"}, "Content-Encoding": {"gzip"}, "Accept": {"*/*"},
				"Accept-Encoding": {"gzip"}, "User-Agent": {"curl"}, "Timeout": {"5000000000"}, "X-Content-Type": {"application/json"},
				"Connect-Timeout-Ms": {"5"}, "Connect-Protocol-Version": {"1"}, "Connect-Content-Encoding": {"gzip"}, "Connect-Accept-Encoding": {"gzip"},
				"Micro-Id": {"1"}, "Micro-Service": {"kv-srv"}, "Micro-Method": {"KV.Get"}, "Micro-Endpoint": {"KV.Get"},
				"Micro-Stream": {"1"}, "Micro-Error": {"EOS"}, "Micro-Protocol": {"mucp"}, "Micro-Topic": {"events"},
			},
			metadata.Metadata{},
		},
		"of this message, in gRPC": {
			lowerCase{
				":authority": {"kv"}, "content-type": {"application/grpc"}, "user-agent": {"grpc-go"}, "te": {"trailers"}, "timeout": {"5"},
				"x-content-type": {"application/grpc+json"}, "grpc-timeout": {"5S"}, "grpc-encoding": {"gzip"}, "grpc-accept-encoding": {"gzip"},
				"accept": {"*/*"}, "accept-encoding": {"gzip"},
				// What means something to go-micro's servers, of a caller that has no business with it.
				"micro-id": {"1"}, "micro-service": {"auth-srv"}, "micro-method": {"KV.Get"}, "micro-endpoint": {"KV.Get"},
				"micro-stream": {"1"}, "micro-error": {"EOS"}, "micro-protocol": {"mucp"}, "content-length": {"7"}, "transfer-encoding": {"chunked"},
				"host": {"kv"}, "connection": {"close"}, "upgrade": {"h2c"}, "connect-timeout-ms": {"5"},
			},
			metadata.Metadata{},
		},
		"a peer that says who it is": {call.HTTP{"Remote": {"10.9.9.9:1"}}, metadata.Metadata{}},
		"the same over gRPC":         {lowerCase{"remote": {"10.9.9.9:1"}}, metadata.Metadata{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &call.Call{Peer: "127.0.0.1:4711", Headers: tt.headers}
			ctx := call.NewContext(t.Context(), c)
			got, _ := metadata.FromContext(ctx)
			tt.want["Remote"] = "127.0.0.1:4711"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if call.FromContext(ctx) != c {
				t.Error("the context has another call")
			}
		})
	}
}

func TestFromContext(t *testing.T) {
	if got := call.FromContext(t.Context()); got != nil {
		t.Errorf("outside of a call: got %v", got)
	}
}

func TestHeader(t *testing.T) {
	c := &call.Call{Headers: lowerCase{"x-tenant": {"a", "b"}, "trace-bin": {"AAE"}}}
	h := c.Header()
	if diff := cmp.Diff(http.Header{"X-Tenant": {"a", "b"}, "Trace-Bin": {"AAE"}}, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.Set("X-Tenant", "c")
	if got := c.Header().Values("X-Tenant"); len(got) != 2 || got[0] != "a" {
		t.Errorf("the copy has changed the call's: %v", got)
	}
}

func TestReplies(t *testing.T) {
	c := &call.Call{}
	if header, trailer := c.Replies(); header != nil || trailer != nil {
		t.Errorf("got %v, %v before anything was set", header, trailer)
	}
	if err := c.SendHeader(); err != nil { // a protocol without
		t.Error(err)
	}
	c.ReplyHeader().Set("A", "1")
	c.ReplyTrailer().Set("B", "2")
	header, trailer := c.Replies()
	if diff := cmp.Diff([]http.Header{{"A": {"1"}}, {"B": {"2"}}}, []http.Header{header, trailer}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	own := http.Header{}
	c.SetReplies(own, nil)
	c.ReplyHeader().Set("C", "3")
	if own.Get("C") != "3" {
		t.Error("the transport's own header was not used")
	}
	sent := errors.New("sent")
	c.OnSendHeader(func() error { return sent })
	if err := c.SendHeader(); !errors.Is(err, sent) {
		t.Errorf("got %v", err)
	}
}
