package page

import (
	"context"
	"strings"
	"time"

	"github.com/micro/platform/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func watch(_ context.Context, r *page.Request) (page.Content, error) {
	namespace, prefix := namespaceOf(r), r.Get(underPrefix)
	return page.Content{Title: "Watch", Data: page.Form{Method: "get", Action: "watch", Submit: "Watch", Fields: []page.Field{
		{Name: inNamespace, Label: "Namespace", Value: namespace},
		{Name: underPrefix, Label: "Keys that begin with", Value: prefix, Code: true},
	}}}, nil
}

// change is an entry of the watch.
type change struct {
	Time            time.Time
	Kind, Namespace string
	Item            *kvpb.Item
	Value           string
	More            bool // the value is longer
}

func follow(ctx context.Context, r *page.Request, emit func(any) error) error {
	namespace := namespaceOf(r)
	req := &kvpb.WatchRequest{Namespace: namespace, Prefix: r.Get(underPrefix)}
	return page.Stream(ctx, r, "KV.Watch", req, func(e *kvpb.WatchResponse) error {
		if e.GetType() == kvpb.WatchResponse_TYPE_PROGRESS {
			return nil
		}
		c := change{Time: time.Now(), Kind: strings.ToLower(strings.TrimPrefix(e.GetType().String(), "TYPE_")), Namespace: namespace, Item: e.GetItem()}
		if t := e.GetItem().GetUpdateTime(); t != nil {
			c.Time = t.AsTime()
		}
		const most = 120
		c.Value = page.Cut(string(e.GetItem().GetValue()[:min(len(e.GetItem().GetValue()), 2*most)]), most)
		c.More = len(c.Value) < len(e.GetItem().GetValue())
		return emit(c)
	})
}
