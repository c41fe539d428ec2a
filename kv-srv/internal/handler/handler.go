// Package handler answers the RPCs of KV from a store.
package handler

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/lease"
	"github.com/micro/platform/kv-srv/internal/store"
	micropb "github.com/micro/platform/proto/micro"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// maxResponse bounds what the items of one response take, so that it passes the 4 MiB
// that gRPC clients accept.
const maxResponse = 3 << 20

// Handler is the server side of KV. Its methods may be called at once.
type Handler struct {
	store  store.Store
	keys   *hot.Keys
	now    func() time.Time
	leases *lease.Table

	missing, noRoom *micropb.Error // in all batches
	kept            int            // bytes of the larger one's result
	items           sync.Pool      // of *[together]store.Item, all zero
}

var _ kvpb.KVHandler = (*Handler)(nil)

// New returns a handler of the items in s, which stays the caller's to close. It notes in
// keys which of them are used.
func New(s store.Store, keys *hot.Keys, now func() time.Time) *Handler {
	missing := errorProto(known(store.ErrNotFound))
	noRoom := errorProto(rpcerr.New(codes.ResourceExhausted,
		"kv.response_too_large", "the response would exceed 3 MiB: ask for this key again"))
	return &Handler{
		store: s, keys: keys, now: now, leases: lease.New(now, maxLeases),
		missing: missing, noRoom: noRoom, kept: max(size(missing), size(noRoom)),
	}
}

// Get implements kvpb.KVHandler. An item that the response has already is filled.
func (h *Handler) Get(ctx context.Context, req *kvpb.GetRequest, rsp *kvpb.GetResponse) error {
	var c checks
	namespace, key := c.Namespace(req.GetNamespace()), c.key("key", req.GetKey())
	l := leasing{namespace: namespace, key: key, lease: c.lease(req.GetLease())}
	l.stale = c.stale(req.GetStale(), l.lease)
	if c.Err != nil {
		return c.Err
	}
	h.keys.Read(namespace, key)
	if l.lease > 0 {
		return h.getLeased(ctx, l, rsp)
	}
	item, err := h.store.Get(ctx, namespace, key)
	if err != nil {
		return refusal(ctx, err)
	}
	rsp.Item = renew(rsp.GetItem(), &item)
	return nil
}

// Put implements kvpb.KVHandler.
func (h *Handler) Put(ctx context.Context, req *kvpb.PutRequest, rsp *kvpb.PutResponse) error {
	var c checks
	namespace, w := c.Namespace(req.GetNamespace()), c.write(req, c.requestID(req.GetRequestId()))
	if c.Err != nil {
		return c.Err
	}
	h.keys.Written(namespace, w.Key)
	version, err := h.store.Put(ctx, namespace, w)
	if err != nil {
		return refusal(ctx, err)
	}
	h.leases.End(namespace, w.Key)
	rsp.Version = version
	return nil
}

// Delete implements kvpb.KVHandler. Also where there is no item it ends the lease: what is
// being made may be out of date, or whoever was to put it gives up.
func (h *Handler) Delete(ctx context.Context, req *kvpb.DeleteRequest, _ *kvpb.DeleteResponse) error {
	var c checks
	namespace := c.Namespace(req.GetNamespace())
	r := store.Removal{
		Key:       c.key("key", req.GetKey()),
		IfVersion: req.GetIfVersion(),
		RequestID: c.requestID(req.GetRequestId()),
	}
	if c.Err != nil {
		return c.Err
	}
	h.keys.Written(namespace, r.Key)
	err := h.store.Delete(ctx, namespace, r)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		h.leases.End(namespace, r.Key)
	}
	return refusal(ctx, err)
}

// Increment implements kvpb.KVHandler.
func (h *Handler) Increment(ctx context.Context, req *kvpb.IncrementRequest, rsp *kvpb.IncrementResponse) error {
	var c checks
	namespace := c.Namespace(req.GetNamespace())
	a := store.Addition{
		Key:       c.key("key", req.GetKey()),
		Delta:     req.GetDelta(),
		TTL:       c.ttl(req.GetTtl()),
		RequestID: c.requestID(req.GetRequestId()),
	}
	if c.Err != nil {
		return c.Err
	}
	h.keys.Written(namespace, a.Key)
	sum, version, err := h.store.Increment(ctx, namespace, a)
	if err != nil {
		return refusal(ctx, err)
	}
	h.leases.End(namespace, a.Key)
	rsp.Value, rsp.Version = sum, version
	return nil
}

// Touch implements kvpb.KVHandler.
func (h *Handler) Touch(ctx context.Context, req *kvpb.TouchRequest, rsp *kvpb.TouchResponse) error {
	var c checks
	namespace, key, ttl := c.Namespace(req.GetNamespace()), c.key("key", req.GetKey()), c.ttl(req.GetTtl())
	if c.Err != nil {
		return c.Err
	}
	h.keys.Written(namespace, key)
	version, err := h.store.Touch(ctx, namespace, key, ttl)
	if err != nil {
		return refusal(ctx, err)
	}
	h.leases.End(namespace, key)
	rsp.Version = version
	return nil
}
