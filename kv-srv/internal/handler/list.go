package handler

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// List implements kvpb.KVHandler.
func (h *Handler) List(ctx context.Context, req *kvpb.ListRequest, rsp *kvpb.ListResponse) error {
	var c checks
	namespace, prefix := c.Namespace(req.GetNamespace()), c.prefix(req.GetPrefix())
	l := listed{namespace, prefix}
	q := store.Query{
		Prefix:   prefix,
		After:    c.pageToken(l, req.GetPageToken()),
		Limit:    c.PageSize(req.GetPageSize(), maxPage, defaultPage),
		MaxBytes: maxResponse,
		KeysOnly: req.GetKeysOnly(),
	}
	if c.Err != nil {
		return c.Err
	}
	page, err := h.store.List(ctx, namespace, q)
	if err != nil {
		return refusal(ctx, err)
	}
	for _, item := range page.Items {
		rsp.Items = append(rsp.Items, itemProto(item))
	}
	if n := len(page.Items); page.More && n > 0 {
		rsp.NextPageToken = l.after(page.Items[n-1].Key)
	}
	rsp.Version = page.Version
	return nil
}

// DeletePrefix implements kvpb.KVHandler.
func (h *Handler) DeletePrefix(ctx context.Context, req *kvpb.DeletePrefixRequest, rsp *kvpb.DeletePrefixResponse) error {
	var c checks
	namespace, prefix := c.Namespace(req.GetNamespace()), c.prefix(req.GetPrefix())
	if prefix == "" && !req.GetAll() {
		c.Fail("prefix", "empty, which is the whole namespace: confirm it with all")
	}
	if c.Err != nil {
		return c.Err
	}
	n, err := h.store.DeletePrefix(ctx, namespace, prefix)
	if err != nil {
		return refusal(ctx, err)
	}
	h.leases.EndPrefix(namespace, prefix)
	rsp.Deleted = int64(n)
	return nil
}
