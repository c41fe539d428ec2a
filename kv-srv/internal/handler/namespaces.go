package handler

import (
	"context"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// ListNamespaces implements kvpb.KVHandler.
func (h *Handler) ListNamespaces(ctx context.Context, req *kvpb.ListNamespacesRequest, rsp *kvpb.ListNamespacesResponse) error {
	var c checks
	q := store.NamespaceQuery{Limit: c.PageSize(req.GetPageSize(), maxPage, defaultPage)}
	if last := c.pageToken(listed{}, req.GetPageToken()); last != "" {
		q.From = last + "\x00"
	}
	if c.Err != nil {
		return c.Err
	}
	page, err := h.store.Namespaces(ctx, q)
	if err != nil {
		return refusal(ctx, err)
	}
	for _, n := range page.Namespaces {
		rsp.Namespaces = append(rsp.Namespaces, &kvpb.Namespace{
			Name: n.Name, Backend: n.Backend, Keys: figure(n.Keys), Bytes: figure(n.Bytes),
		})
	}
	if n := len(page.Namespaces); page.More && n > 0 {
		rsp.NextPageToken = listed{}.after(page.Namespaces[n-1].Name)
	}
	rsp.UnlistedBackend = page.Unlisted
	return nil
}

// figure is unset where the store cannot tell.
func figure(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
