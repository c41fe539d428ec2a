// Package record writes items as the bytes that a backend keeps.
package record

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Append appends an item to bytes. What is zero takes no room.
func Append(b []byte, item store.Item) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(b, &kvpb.Item{
		Key: item.Key, Value: item.Value, Version: item.Version, Metadata: item.Metadata,
		UpdateTime: stamp(item.Updated), ExpireTime: stamp(item.Expires),
	})
}

// Read reads what Append has appended.
func Read(b []byte) (store.Item, error) {
	var m kvpb.Item
	if err := proto.Unmarshal(b, &m); err != nil {
		return store.Item{}, fmt.Errorf("a record is not one of ours: %w", err)
	}
	return store.Item{
		Key: m.GetKey(), Value: m.GetValue(), Version: m.GetVersion(), Metadata: m.GetMetadata(),
		Updated: moment(m.GetUpdateTime()), Expires: moment(m.GetExpireTime()),
	}, nil
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
