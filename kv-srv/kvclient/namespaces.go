package kvclient

import (
	"context"
	"iter"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Namespace is a set of keys that is kept apart from others.
type Namespace struct {
	Name    string
	Backend string // that keeps it: "memory", "disk", "redis", "memcached", "etcd" or "consul"
	Keys    int64  // items, with those that are expired and not removed yet; -1: unknown
	Bytes   int64  // of keys, values and metadata; -1: unknown
}

// Namespaces yields all namespaces that hold items, and those that the settings of the
// service name, ordered by their names. It reads page after page, so what is written
// meanwhile may show or not. An error is the last it yields.
func (c *Client) Namespaces(ctx context.Context, opts ...NamespacesOption) iter.Seq2[Namespace, error] {
	return func(yield func(Namespace, error) bool) {
		var l namespaceListing
		for _, o := range opts {
			o.namespaces(&l)
		}
		req := &kvpb.ListNamespacesRequest{PageSize: pageSize}
		for {
			rsp, err := c.kv.ListNamespaces(ctx, req, c.call(ctx, again)...)
			if err != nil {
				yield(Namespace{}, failed(ctx, "list namespaces", "", err))
				return
			}
			if l.unlisted != nil {
				*l.unlisted = rsp.GetUnlistedBackend()
			}
			for _, n := range rsp.GetNamespaces() {
				if !yield(namespace(n), nil) {
					return
				}
			}
			if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
				return
			}
		}
	}
}

func namespace(p *kvpb.Namespace) Namespace {
	n := Namespace{Name: p.GetName(), Backend: p.GetBackend(), Keys: -1, Bytes: -1}
	if p.Keys != nil {
		n.Keys = p.GetKeys()
	}
	if p.Bytes != nil {
		n.Bytes = p.GetBytes()
	}
	return n
}

// HotKey is a key and how often it was used in about the last minute, in a second.
type HotKey struct {
	Namespace string
	Key       string
	Reads     float64
	Writes    float64
}

// HotKeys returns the keys that were used most, by all clients, of the instance of the
// service that answers: the most frequent first, and 20 unless MaxKeys says otherwise. The
// figures are estimates.
func (c *Client) HotKeys(ctx context.Context, opts ...HotKeysOption) ([]HotKey, error) {
	req := &kvpb.ListHotKeysRequest{Namespace: c.namespace}
	for _, o := range opts {
		o.hotKeys(req)
	}
	rsp, err := c.kv.ListHotKeys(ctx, req, c.call(ctx, again)...)
	if err != nil {
		return nil, failed(ctx, "list hot keys", "", err)
	}
	keys := make([]HotKey, len(rsp.GetKeys()))
	for i, k := range rsp.GetKeys() {
		keys[i] = HotKey{Namespace: k.GetNamespace(), Key: k.GetKey(), Reads: k.GetReadRate(), Writes: k.GetWriteRate()}
	}
	return keys, nil
}
