package page

import (
	"context"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// keyList is a part of the keys of a namespace.
type keyList struct {
	Namespace, Prefix string
	Items             []*kvpb.Item
	Pager             page.Pager
	Find              page.Form
	Unlisted          string // why the keys cannot be listed; "": they are
}

const pageSize = 100

func keys(ctx context.Context, r *page.Request) (page.Content, error) {
	l := keyList{Namespace: namespaceOf(r), Prefix: r.Get(underPrefix)}
	rsp, err := page.Call[kvpb.ListResponse](ctx, r, "KV.List", &kvpb.ListRequest{
		Namespace: l.Namespace, Prefix: l.Prefix, PageSize: pageSize, PageToken: r.After(), KeysOnly: true,
	})
	switch {
	case unsupported(err):
		l.Unlisted = rpcerr.From(err).Message
		l.Find = ask("item", "Open", l.Namespace, page.Field{Name: ofKey, Label: "Key", Required: true, Code: true})
	case err != nil:
		return page.Content{}, err
	default:
		l.Items, l.Pager = rsp.GetItems(), r.Pager(rsp.GetNextPageToken())
		l.Find = ask("keys", "Filter", l.Namespace, page.Field{Name: underPrefix, Label: "Keys that begin with", Value: l.Prefix, Code: true})
	}
	c := page.Content{Title: l.Namespace, Crumbs: way(l.Namespace, l.Prefix)[:1], Data: l}
	if l.Prefix != "" {
		c.Title, c.Crumbs = l.Prefix, way(l.Namespace, l.Prefix)
	}
	return c, nil
}

// ask is a form that leads to another page of a namespace.
func ask(view, submit, namespace string, f page.Field) page.Form {
	return page.Form{Method: "get", Action: view, Submit: submit, Fields: []page.Field{{Name: inNamespace, Kind: "hidden", Value: namespace}, f}}
}

func keysChanged(ctx context.Context, r *page.Request, changed func()) error {
	err := changes(ctx, r, namespaceOf(r), r.Get(underPrefix), changed)
	if unsupported(err) {
		<-ctx.Done() // nor can it list
	}
	return err
}
