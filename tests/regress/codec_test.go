package regress_test

import (
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// old is a message of the first protobuf API alone, as those of etcd's client are.
type old struct{ m *echopb.CallRequest }

func (o *old) Reset()         { o.m.Reset() }
func (o *old) String() string { return o.m.String() }
func (o *old) ProtoMessage()  {}

// Marshal and Unmarshal are what the first API calls if they are there.
func (o *old) Marshal() ([]byte, error) { return proto.Marshal(o.m) }
func (o *old) Unmarshal(b []byte) error { return proto.Unmarshal(b, o.m) }

// TestCodecs: importing go-micro's gRPC client or server, as this package does, replaces
// the codecs of the whole process.
func TestCodecs(t *testing.T) {
	c := dialGRPC(t, startGRPC(t, &echo.Handler{}))
	for _, subtype := range []string{"proto", "json"} {
		out := new(echopb.CallResponse)
		if err := c.Invoke(limited(t, 5*time.Second), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: "hi"}, out, grpc.CallContentSubtype(subtype)); err != nil {
			t.Errorf("%s: %v", subtype, err)
		}
		if out.GetText() != "hi" {
			t.Errorf("%s: got %v", subtype, out)
		}
	}
	call := func() (string, error) {
		out := &old{&echopb.CallRequest{}} // text has the same number in the response
		err := c.Invoke(limited(t, 5*time.Second), "/micro.test.v1.Echo/Call", &old{&echopb.CallRequest{Text: "hi"}}, out)
		return out.m.GetText(), err
	}
	if _, err := call(); err == nil && encoding.GetCodecV2("proto") != encoding.CodecV2(grpccodec.Proto{}) {
		t.Error("go-micro no longer breaks messages of the first API: package grpccodec has become needless")
	}
	if os.Getenv("STOCK") == "" {
		grpccodec.Restore()
	}
	if got, err := call(); got != "hi" || err != nil {
		t.Errorf("a message of the first API: got %q, %v", got, err)
	}
}
