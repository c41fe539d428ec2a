package kvclient

import (
	"context"
	"iter"

	rpc "github.com/micro/platform/internal/client"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// EventType is what happened to an item.
type EventType int

// The types of events. A service newer than this package may send others.
const (
	EventProgress EventType = iota + 1 // nothing; only with WithProgress
	EventPut                           // written or touched
	EventDelete                        // deleted
	EventExpire                        // past its time
	EventEvict                         // gave its place to others: the service was full
)

func (t EventType) String() string {
	switch t {
	case EventProgress:
		return "progress"
	case EventPut:
		return "put"
	case EventDelete:
		return "delete"
	case EventExpire:
		return "expire"
	case EventEvict:
		return "evict"
	}
	return "unknown"
}

// Event is one change.
type Event struct {
	Type    EventType
	Version uint64 // FromVersion goes on from here
	Item    Item   // as written; of one that is gone only Key and Version
}

// Watch yields the changes to items whose keys begin with prefix, in their order. It
// goes on until the loop is left or an error ends it: that of ctx, ErrCompacted, or a
// lost connection, after which another Watch can go on from the last event. It ends with
// ctx at once, but up to five seconds later while it still connects, or if the service
// has fallen silent.
func (c *Client) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var w watching
		for _, o := range opts {
			o.watch(&w)
		}
		in := &kvpb.WatchRequest{Namespace: c.namespace, Prefix: prefix, FromVersion: w.from}
		err := rpc.Read(ctx, c.client, Service, "KV.Watch", in, c.opts, func(p *kvpb.WatchResponse) bool {
			e := Event{Type: EventType(p.GetType()), Version: p.GetVersion(), Item: item(p.GetItem())}
			c.near.Told(e.Item.Key, e.Item.Version)
			return e.Type == EventProgress && !w.progress || yield(e, nil)
		})
		if err != nil {
			yield(Event{}, failed(ctx, "watch", prefix, err))
		}
	}
}
