package handler

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Watch implements kvpb.KVHandler. It returns when ctx, which is that of the stream, is
// done.
func (h *Handler) Watch(ctx context.Context, req *kvpb.WatchRequest, stream kvpb.KV_WatchStream) error {
	var c checks
	namespace, prefix := c.Namespace(req.GetNamespace()), c.prefix(req.GetPrefix())
	if c.Err != nil {
		return c.Err
	}
	var lost error // the caller
	err := h.store.Watch(ctx, namespace, prefix, req.GetFromVersion(), func(e store.Event) error {
		lost = stream.Send(eventProto(e))
		return lost
	})
	if lost != nil && ctx.Err() == nil {
		return rpcerr.New(codes.Canceled, "canceled", "the caller has left").Because(lost)
	}
	return refusal(ctx, err)
}
