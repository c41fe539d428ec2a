// Package page shows what the key-value service holds.
package page

import (
	"context"
	"embed"
	"io/fs"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

//go:embed templates/*.html
var templates embed.FS

// Config returns the pages, for a host to serve. All of them lead to that of the ring if
// there is one.
func Config(ring bool) (page.Config, error) {
	own, err := fs.Sub(templates, "templates")
	tab := ""
	if ring {
		tab = "Ring"
	}
	return page.Config{
		Title:     "Key-value",
		Templates: own,
		Views: []page.View{
			{Name: "index", Tab: "Namespaces", Show: namespaces, Live: page.Every(often)},
			{Name: "keys", Show: keys, Live: keysChanged},
			{Name: "item", Show: item, Live: itemChanged},
			{Name: "value", File: value},
			{Name: "edit", Show: edit, Send: save},
			{Name: "ttl", Show: ttl, Send: touch},
			{Name: "delete", Show: askDelete, Send: remove},
			{Name: "watch", Tab: "Watch", Show: watch, Follow: follow},
			{Name: "hot", Tab: "Hottest keys", Show: hot, Live: page.Every(often)},
			{Name: "ring", Tab: tab, Show: showRing, Live: page.Every(ringOften)},
		},
	}, err
}

// The parameters of pages.
const (
	inNamespace = "namespace"
	underPrefix = "prefix"
	ofKey       = "key"
	asForm      = "as"
)

// defaultNamespace is what an empty one means.
const defaultNamespace = "default"

func namespaceOf(r *page.Request) string {
	if n := r.Get(inNamespace); n != "" {
		return n
	}
	return defaultNamespace
}

// way leads to a key or a prefix: the namespace, then each part of it that ends with a
// slash.
func way(namespace, path string) []page.Link {
	all := []page.Link{{Href: "./", Text: "Namespaces"}, {Href: page.To("keys", inNamespace, namespace), Text: namespace}}
	const most = 8
	for i, n := 0, 0; n < most; n++ {
		j := strings.IndexByte(path[i:], '/')
		if j < 0 || i+j+1 == len(path) {
			break
		}
		part := path[i : i+j+1]
		i += j + 1
		all = append(all, page.Link{Href: page.To("keys", inNamespace, namespace, underPrefix, path[:i]), Text: part})
	}
	return all
}

// changes calls changed for each change below a prefix, until ctx ends. Some backends
// cannot: see unsupported.
func changes(ctx context.Context, r *page.Request, namespace, prefix string, changed func()) error {
	req := &kvpb.WatchRequest{Namespace: namespace, Prefix: prefix}
	return page.Stream(ctx, r, "KV.Watch", req, func(*kvpb.WatchResponse) error {
		changed() // also at the first message: the watch misses no change after it
		return nil
	})
}

// unsupported tells whether the backend cannot do what it was asked for.
func unsupported(err error) bool { return rpcerr.Code(err) == codes.Unimplemented }
