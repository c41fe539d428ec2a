package page

import (
	"context"

	"github.com/micro/platform/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// keyList is a part of the keys of a namespace.
type keyList struct {
	Namespace, Prefix string
	Items             []*kvpb.Item
	Pager             page.Pager
	Find              page.Form
}

const pageSize = 100

func keys(ctx context.Context, r *page.Request) (page.Content, error) {
	l := keyList{Namespace: namespaceOf(r), Prefix: r.Get(underPrefix)}
	rsp, err := page.Call[kvpb.ListResponse](ctx, r, "KV.List", &kvpb.ListRequest{
		Namespace: l.Namespace, Prefix: l.Prefix, PageSize: pageSize, PageToken: r.After(), KeysOnly: true,
	})
	if err != nil {
		return page.Content{}, err
	}
	l.Items, l.Pager = rsp.GetItems(), r.Pager(rsp.GetNextPageToken())
	l.Find = page.Form{Method: "get", Action: "keys", Submit: "Filter", Fields: []page.Field{
		{Name: inNamespace, Kind: "hidden", Value: l.Namespace},
		{Name: underPrefix, Label: "Keys that begin with", Value: l.Prefix, Code: true},
	}}
	c := page.Content{Title: l.Namespace, Crumbs: way(l.Namespace, l.Prefix)[:1], Data: l}
	if l.Prefix != "" {
		c.Title, c.Crumbs = l.Prefix, way(l.Namespace, l.Prefix)
	}
	return c, nil
}

func keysChanged(ctx context.Context, r *page.Request, changed func()) error {
	return changes(ctx, r, namespaceOf(r), r.Get(underPrefix), changed)
}
