package page

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/micro/platform/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// often is how long figures may be old that nothing tells of.
const often = 2 * time.Second

// spaces is the list of namespaces.
type spaces struct {
	All      []*kvpb.Namespace
	Pager    page.Pager
	Find     page.Form
	Unlisted string // the backend that may have others and cannot list them; "": none
}

func namespaces(ctx context.Context, r *page.Request) (page.Content, error) {
	rsp, err := page.Call[kvpb.ListNamespacesResponse](ctx, r, "KV.ListNamespaces", &kvpb.ListNamespacesRequest{PageSize: 1000, PageToken: r.After()})
	if err != nil {
		return page.Content{}, err
	}
	page.Sort(r, rsp.GetNamespaces(), page.Columns[*kvpb.Namespace]{
		"name":    func(a, b *kvpb.Namespace) int { return strings.Compare(a.GetName(), b.GetName()) },
		"backend": func(a, b *kvpb.Namespace) int { return strings.Compare(a.GetBackend(), b.GetBackend()) },
		"keys":    func(a, b *kvpb.Namespace) int { return cmp.Compare(a.GetKeys(), b.GetKeys()) },
		"bytes":   func(a, b *kvpb.Namespace) int { return cmp.Compare(a.GetBytes(), b.GetBytes()) },
	}, "name")
	return page.Content{Title: "Namespaces", Data: spaces{
		rsp.GetNamespaces(), r.Pager(rsp.GetNextPageToken()),
		page.Form{Method: "get", Action: "keys", Submit: "Open", Fields: []page.Field{{Name: inNamespace, Label: "Namespace", Value: defaultNamespace}}},
		rsp.GetUnlistedBackend(),
	}}, nil
}

// hotKeys is the list of keys that are used most.
type hotKeys struct {
	Keys []*kvpb.ListHotKeysResponse_HotKey
}

func hot(ctx context.Context, r *page.Request) (page.Content, error) {
	req := &kvpb.ListHotKeysRequest{Namespace: r.Get(inNamespace), AllNamespaces: r.Get(inNamespace) == "", Limit: 100}
	rsp, err := page.Call[kvpb.ListHotKeysResponse](ctx, r, "KV.ListHotKeys", req)
	if err != nil {
		return page.Content{}, err
	}
	type key = *kvpb.ListHotKeysResponse_HotKey
	page.Sort(r, rsp.GetKeys(), page.Columns[key]{
		"calls": func(a, b key) int {
			return cmp.Compare(a.GetReadRate()+a.GetWriteRate(), b.GetReadRate()+b.GetWriteRate())
		},
		"reads":  func(a, b key) int { return cmp.Compare(a.GetReadRate(), b.GetReadRate()) },
		"writes": func(a, b key) int { return cmp.Compare(a.GetWriteRate(), b.GetWriteRate()) },
		"key": func(a, b key) int {
			return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetKey(), b.GetKey()))
		},
	}, "-calls")
	return page.Content{Title: "Hottest keys", Data: hotKeys{rsp.GetKeys()}}, nil
}
