package port

import (
	"google.golang.org/grpc/mem"

	"github.com/micro/platform/internal/grpccodec"
)

// grpcCodec is the codec of this server alone: grpc-go's registered ones are
// process-wide, and importing go-micro's gRPC client or server replaces them. What is no frame is
// of health and reflection.
type grpcCodec struct{ grpccodec.Proto }

func (c grpcCodec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return c.Proto.Marshal(v)
	}
	if f.enc == protobuf {
		data, err := c.Proto.Marshal(f.msg)
		f.size = data.Len()
		return data, err
	}
	b, err := f.enc.encode(nil, f.msg)
	f.size = len(b)
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

// Unmarshal leaves what it cannot decode to the frame's owner.
func (c grpcCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.Proto.Unmarshal(data, v)
	}
	if f.keep {
		f.raw = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	if f.msg == nil {
		return nil
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	f.decode(buf.ReadOnlyData())
	return nil
}
