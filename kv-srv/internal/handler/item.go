package handler

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// itemMessage is an item and what it points to: one allocation.
type itemMessage struct {
	item             kvpb.Item
	updated, expires timestamppb.Timestamp
}

// set shares the bytes and the map of an item, which nobody changes.
func (m *itemMessage) set(i store.Item) *kvpb.Item {
	m.item.Key, m.item.Value, m.item.Version, m.item.Metadata = i.Key, i.Value, i.Version, i.Metadata
	if !i.Updated.IsZero() {
		m.item.UpdateTime = moment(&m.updated, i.Updated)
	}
	if !i.Expires.IsZero() {
		m.item.ExpireTime = moment(&m.expires, i.Expires)
	}
	return &m.item
}

// empty returns an item that renew fills without an allocation.
func (m *itemMessage) empty() *kvpb.Item {
	m.item.UpdateTime, m.item.ExpireTime = &m.updated, &m.expires
	return &m.item
}

func moment(m *timestamppb.Timestamp, t time.Time) *timestamppb.Timestamp {
	m.Seconds, m.Nanos = t.Unix(), int32(t.Nanosecond()) //nolint:gosec // below 10^9
	return m
}

// renew fills the item of a response that its caller uses again, or returns a new one.
func renew(own *kvpb.Item, i *store.Item) *kvpb.Item {
	if own == nil {
		return itemProto(*i)
	}
	own.Key, own.Value, own.Version, own.Metadata = i.Key, i.Value, i.Version, i.Metadata
	own.UpdateTime, own.ExpireTime = again(own.GetUpdateTime(), i.Updated), again(own.GetExpireTime(), i.Expires)
	return own
}

// again uses the memory of a moment for another one, nil for none.
func again(m *timestamppb.Timestamp, t time.Time) *timestamppb.Timestamp {
	switch {
	case t.IsZero():
		return nil
	case m == nil:
		m = &timestamppb.Timestamp{}
	}
	return moment(m, t)
}

func itemProto(i store.Item) *kvpb.Item { return new(itemMessage).set(i) }

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
