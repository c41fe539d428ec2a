package port

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

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
	pool, size := mem.DefaultBufferPool(), 512
	if m, ok := f.msg.(proto.Message); ok && f.enc == protobuf {
		size = proto.Size(m)
	}
	buf := pool.Get(size)
	b, err := f.enc.encode((*buf)[:0], f.msg)
	if err != nil {
		pool.Put(buf)
		return nil, err
	}
	if cap(b) != cap(*buf) { // grown: it is not of the pool
		pool.Put(buf)
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
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
