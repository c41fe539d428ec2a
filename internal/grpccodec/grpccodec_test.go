package grpccodec_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/micro/platform/internal/grpccodec"
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

// usurper is a codec that somebody else has registered.
type usurper struct{ grpccodec.Proto }

func TestRestore(t *testing.T) {
	t.Cleanup(grpccodec.Restore)
	encoding.RegisterCodecV2(usurper{})
	for range 2 {
		grpccodec.Restore()
		if got := encoding.GetCodecV2("proto"); got != encoding.CodecV2(grpccodec.Proto{}) {
			t.Errorf("got %T, want Proto", got)
		}
	}
}

func TestProto(t *testing.T) {
	want := &echopb.CallRequest{Text: "hi", Payload: []byte{0, 1, 2}}
	for name, in := range map[string]any{"second API": want, "first API": &old{want}} {
		t.Run(name, func(t *testing.T) {
			b, err := grpccodec.Proto{}.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Free()
			direct, through := new(echopb.CallRequest), &old{new(echopb.CallRequest)}
			for to, got := range map[any]*echopb.CallRequest{direct: direct, through: through.m} {
				if err := (grpccodec.Proto{}).Unmarshal(pieces(b.Materialize()), to); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("%T (-want +got):\n%s", to, diff)
				}
			}
		})
	}
}

// pieces is b as it may come from the network.
func pieces(b []byte) mem.BufferSlice {
	return mem.BufferSlice{mem.SliceBuffer(b[:len(b)/2]), mem.SliceBuffer(b[len(b)/2:])}
}

func TestNoMessage(t *testing.T) {
	if _, err := (grpccodec.Proto{}).Marshal("text"); err == nil || err.Error() != "string is no proto message" {
		t.Errorf("Marshal: got error %v", err)
	}
	if err := (grpccodec.Proto{}).Unmarshal(nil, new(int)); err == nil || err.Error() != "*int is no proto message" {
		t.Errorf("Unmarshal: got error %v", err)
	}
	if err := (grpccodec.Proto{}).Unmarshal(pieces([]byte{0xff, 0xff}), new(echopb.CallRequest)); err == nil {
		t.Error("Unmarshal took what is no message")
	}
}
