package port

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
)

// encoding is how messages are written in one call.
type encoding int

const (
	protobuf encoding = iota
	jsonText
	microJSON // jsonText as go-micro's clients write it
)

// decode reads data into msg, a proto.Message or (JSON alone) a pointer to any Go
// value. What is wrong with data is the caller's fault, in the same words at every
// door.
func (e encoding) decode(data []byte, msg any) error {
	m, isProto := msg.(proto.Message)
	var err error
	switch {
	case isProto && e == protobuf:
		err = proto.Unmarshal(data, m)
	case isProto:
		err = e.decodeJSON(data, m)
	case e != protobuf:
		err = json.Unmarshal(data, msg)
	default:
		return rpcerr.New(codes.Unimplemented, "no_protobuf", "this method takes application/json alone")
	}
	if err != nil {
		return rpcerr.Invalid("request", "%s", brief(err.Error()))
	}
	return nil
}

// brief bounds what a decoder says: it repeats what it cannot read, which may be all of
// the request, and an answer's headers have less room.
func brief(text string) string {
	const most = 256
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// decodeJSON leaves out what msg does not know, so that newer callers reach older
// services.
func (e encoding) decodeJSON(data []byte, msg proto.Message) error {
	lenient := protojson.UnmarshalOptions{DiscardUnknown: true}
	err := lenient.Unmarshal(data, msg)
	if err == nil || e != microJSON {
		return err
	}
	if mended := mendJSON(data, msg.ProtoReflect().Descriptor()); mended != nil {
		return lenient.Unmarshal(mended, msg)
	}
	return err
}

// encode appends msg to b.
func (e encoding) encode(b []byte, msg any) ([]byte, error) {
	m, isProto := msg.(proto.Message)
	switch {
	case isProto && e == protobuf:
		return proto.MarshalOptions{}.MarshalAppend(b, m)
	case isProto:
		return protojson.MarshalOptions{}.MarshalAppend(b, m)
	case e != protobuf:
		text, err := json.Marshal(msg)
		return append(b, text...), err
	}
	return nil, fmt.Errorf("%T is no proto message", msg)
}

// frame is a message on its way through grpc-go's or connect-go's codec. Both decode
// before a handler sees anything; the frame keeps what failed, for the chain to see.
type frame struct {
	enc  encoding
	msg  any
	bad  error // of the last decode
	size int   // of what was encoded last

	keep bool       // instead of decoding
	raw  mem.Buffer // what was kept
}

func (f *frame) decode(data []byte) { f.bad = f.enc.decode(data, f.msg) }
