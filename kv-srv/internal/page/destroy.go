package page

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// fieldConfirm is where a person types what is to be deleted.
const fieldConfirm = "confirm"

// deletion is what is about to go.
type deletion struct {
	Namespace, Prefix string
	Key               string // "": all items under the prefix
	First             []*kvpb.Item
	More              bool // than First
	Form              page.Form
}

// askDelete asks whether an item, or all items under a prefix, are to go.
func askDelete(ctx context.Context, r *page.Request) (page.Content, error) {
	d := deletion{Namespace: namespaceOf(r), Key: r.Get(ofKey), Prefix: r.Get(underPrefix)}
	if d.Key != "" {
		i, err := get(ctx, r)
		if err != nil {
			return page.Content{}, err
		}
		d.Form = page.Form{Action: r.Self(), Submit: "Delete", Danger: true, Cancel: itemAt(r, d.Key), Fields: []page.Field{
			{Name: fieldVersion, Kind: "hidden", Value: strconv.FormatUint(i.GetVersion(), 10)},
		}}
		return d.content(), nil
	}
	const few = 10
	rsp, err := page.Call[kvpb.ListResponse](ctx, r, "KV.List", &kvpb.ListRequest{Namespace: d.Namespace, Prefix: d.Prefix, PageSize: few, KeysOnly: true})
	if err != nil {
		return page.Content{}, err
	}
	d.First, d.More = rsp.GetItems(), rsp.GetNextPageToken() != ""
	d.Form = page.Form{
		Action: r.Self(), Submit: "Delete all of them", Danger: true, Cancel: page.To("keys", inNamespace, d.Namespace, underPrefix, d.Prefix),
		Fields: []page.Field{{Name: fieldConfirm, Label: "Type the name of the namespace: " + d.Namespace, Required: true, Code: true}},
	}
	return d.content(), nil
}

func (d deletion) content() page.Content {
	c := page.Content{Title: "Delete " + d.Key, Crumbs: way(d.Namespace, d.Key), Data: d}
	if d.Key == "" {
		c.Title, c.Crumbs = "Delete everything in "+d.Namespace, way(d.Namespace, d.Prefix)
		if d.Prefix != "" {
			c.Title = "Delete what begins with " + d.Prefix
		}
	}
	return c
}

// remove deletes what was confirmed.
func remove(ctx context.Context, r *page.Request) (page.Content, error) {
	namespace := namespaceOf(r)
	if key := r.Get(ofKey); key != "" {
		return removeItem(ctx, r, namespace, key)
	}
	if got := r.Field(fieldConfirm); got != namespace {
		c, err := askDelete(ctx, r)
		if d, ok := c.Data.(deletion); ok {
			d.Form.Fail(rpcerr.Invalid(fieldConfirm, "%q is not %s: nothing was deleted", page.Cut(got, 63), namespace))
			c.Data, c.Status = d, http.StatusBadRequest
		}
		return c, err
	}
	_, err := page.Call[kvpb.DeletePrefixResponse](ctx, r, "KV.DeletePrefix", &kvpb.DeletePrefixRequest{
		Namespace: namespace, Prefix: r.Get(underPrefix), All: r.Get(underPrefix) == "",
	})
	return page.Content{SeeOther: page.To("keys", inNamespace, namespace)}, err
}

func removeItem(ctx context.Context, r *page.Request, namespace, key string) (page.Content, error) {
	version, err := strconv.ParseUint(r.Field(fieldVersion), 10, 64)
	if err != nil || version == 0 {
		return page.Content{}, rpcerr.Invalid(fieldVersion, "no version")
	}
	_, err = page.Call[kvpb.DeleteResponse](ctx, r, "KV.Delete", &kvpb.DeleteRequest{Namespace: namespace, Key: key, IfVersion: version})
	if rpcerr.Code(err) == codes.Aborted {
		c, err := askDelete(ctx, r)
		if d, ok := c.Data.(deletion); ok {
			d.Form.Error = "Somebody has changed the item since you asked to delete it. Nothing was deleted."
			c.Data, c.Status = d, http.StatusConflict
		}
		return c, err
	}
	return page.Content{SeeOther: page.To("keys", inNamespace, namespace)}, err
}

// ttl asks for a new time to live.
func ttl(ctx context.Context, r *page.Request) (page.Content, error) {
	if _, err := get(ctx, r); err != nil {
		return page.Content{}, err
	}
	return ttlForm(r, page.Form{Action: r.Self(), Submit: "Save", Cancel: itemAt(r, r.Get(ofKey)), Fields: []page.Field{
		{Name: fieldTTL, Label: "Time to live, from now on", Help: "Such as 90s, 15m, 24h or 7d; empty: it does not end."},
	}}), nil
}

func ttlForm(r *page.Request, f page.Form) page.Content {
	key := r.Get(ofKey)
	return page.Content{Title: "Time to live of " + key, Crumbs: append(way(namespaceOf(r), key), page.Link{Href: itemAt(r, key), Text: key}), Data: f}
}

func touch(ctx context.Context, r *page.Request) (page.Content, error) {
	d, err := parseTTL(r.Field(fieldTTL))
	if err == nil {
		_, err = page.Call[kvpb.TouchResponse](ctx, r, "KV.Touch", &kvpb.TouchRequest{Namespace: namespaceOf(r), Key: r.Get(ofKey), Ttl: d})
	}
	if err == nil {
		return page.Content{SeeOther: itemAt(r, r.Get(ofKey))}, nil
	}
	c, shown := ttl(ctx, r)
	f, ok := c.Data.(page.Form)
	if shown != nil || !ok {
		return page.Content{}, err
	}
	f.Fields[0].Value = r.Field(fieldTTL)
	if !f.Fail(err) {
		return page.Content{}, err
	}
	c.Data, c.Status = f, rpcerr.HTTP(rpcerr.Code(err))
	return c, nil
}
