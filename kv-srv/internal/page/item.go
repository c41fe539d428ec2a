package page

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/micro/platform/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// shownItem is an item, and its value in one of the forms that it has.
type shownItem struct {
	Namespace string
	Item      *kvpb.Item
	Size      int64
	Left      string // until it ends; "": it does not
	Value     rendition
	Forms     []page.Link
}

// Metadata are the pairs in the order of their names.
func (s shownItem) Metadata() []pair { return pairs(s.Item.GetMetadata()) }

func item(ctx context.Context, r *page.Request) (page.Content, error) {
	namespace, key := namespaceOf(r), r.Get(ofKey)
	got, err := get(ctx, r)
	if err != nil {
		return page.Content{}, err
	}
	s := show(namespace, got, r.Get(asForm))
	for _, as := range forms(got.GetValue()) {
		s.Forms = append(s.Forms, page.Link{Href: r.With(asForm, as), Text: as, Current: as == s.Value.As})
	}
	return page.Content{Title: key, Crumbs: way(namespace, key), Data: s}, nil
}

func show(namespace string, i *kvpb.Item, as string) shownItem {
	s := shownItem{Namespace: namespace, Item: i, Size: int64(len(i.GetValue())), Value: render(i.GetValue(), as)}
	if i.GetExpireTime() != nil {
		s.Left = page.Span(max(0, time.Until(i.GetExpireTime().AsTime())))
	}
	return s
}

// get asks for the item that the page is about.
func get(ctx context.Context, r *page.Request) (*kvpb.Item, error) {
	rsp, err := page.Call[kvpb.GetResponse](ctx, r, "KV.Get", &kvpb.GetRequest{Namespace: namespaceOf(r), Key: r.Get(ofKey)})
	return rsp.GetItem(), err
}

func itemChanged(ctx context.Context, r *page.Request, changed func()) error {
	err := changes(ctx, r, namespaceOf(r), r.Get(ofKey), changed)
	if unsupported(err) {
		return page.Every(often)(ctx, r, changed)
	}
	return err
}

// value is the value as a file, named as the last part of the key.
func value(ctx context.Context, r *page.Request) (page.File, error) {
	i, err := get(ctx, r)
	if err != nil {
		return page.File{}, err
	}
	name := strings.Map(func(c rune) rune {
		if c < ' ' || c == '/' || c == '\\' || c == '"' || c > '~' {
			return '_'
		}
		return c
	}, page.Cut(i.GetKey()[strings.LastIndexByte(i.GetKey(), '/')+1:], 100))
	return page.File{Name: cmp.Or(strings.Trim(name, "."), "value"), Body: i.GetValue()}, nil
}
