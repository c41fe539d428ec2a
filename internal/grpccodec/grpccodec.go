// Package grpccodec undoes what importing go-micro's gRPC server does to grpc-go: it
// replaces the codec of the whole process by one that refuses messages of the first
// protobuf API, such as those of etcd's client.
package grpccodec

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// Restore registers Proto for all clients and servers of the process, unless it is
// there. Call it before the first of them is made.
func Restore() {
	if _, ok := encoding.GetCodecV2("proto").(Proto); !ok {
		encoding.RegisterCodecV2(Proto{})
	}
}

// Proto is the codec "proto" for messages of both protobuf APIs.
type Proto struct{}

// Name implements encoding.CodecV2.
func (Proto) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (Proto) Marshal(v any) (mem.BufferSlice, error) {
	m, err := message(v)
	if err != nil {
		return nil, err
	}
	size := proto.Size(m)
	sized := proto.MarshalOptions{UseCachedSize: true} // the one of a line ago
	if mem.IsBelowBufferPoolingThreshold(size) {
		b, err := sized.Marshal(m)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(size)
	if _, err := sized.MarshalAppend((*buf)[:0], m); err != nil {
		pool.Put(buf)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (Proto) Unmarshal(data mem.BufferSlice, v any) error {
	m, err := message(v)
	if err != nil {
		return err
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}

func message(v any) (proto.Message, error) {
	switch m := v.(type) {
	case proto.Message:
		return m, nil
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m), nil
	}
	return nil, fmt.Errorf("%T is no proto message", v)
}
