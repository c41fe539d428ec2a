package handler

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// itemProto shares the bytes and the map of an item, which nobody changes.
func itemProto(i store.Item) *kvpb.Item {
	p := &kvpb.Item{Key: i.Key, Value: i.Value, Version: i.Version, Metadata: i.Metadata}
	if !i.Updated.IsZero() {
		p.UpdateTime = timestamppb.New(i.Updated)
	}
	if !i.Expires.IsZero() {
		p.ExpireTime = timestamppb.New(i.Expires)
	}
	return p
}

func eventProto(e store.Event) *kvpb.WatchResponse {
	p := &kvpb.WatchResponse{Type: eventType(e.Kind), Version: e.Version}
	switch e.Kind {
	case store.Progress:
	case store.Put:
		p.Item = itemProto(e.Item)
	default:
		p.Item = &kvpb.Item{Key: e.Item.Key, Version: e.Version}
	}
	return p
}

func eventType(k store.Kind) kvpb.WatchResponse_Type {
	switch k {
	case store.Progress:
		return kvpb.WatchResponse_TYPE_PROGRESS
	case store.Put:
		return kvpb.WatchResponse_TYPE_PUT
	case store.Deleted:
		return kvpb.WatchResponse_TYPE_DELETE
	case store.Expired:
		return kvpb.WatchResponse_TYPE_EXPIRE
	case store.Evicted:
		return kvpb.WatchResponse_TYPE_EVICT
	}
	return kvpb.WatchResponse_TYPE_UNSPECIFIED
}
