package handler

import (
	"context"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

const (
	maxHotKeys     = 100
	defaultHotKeys = 20
)

// ListHotKeys implements kvpb.KVHandler.
func (h *Handler) ListHotKeys(_ context.Context, req *kvpb.ListHotKeysRequest, rsp *kvpb.ListHotKeysResponse) error {
	var c checks
	namespace, limit := c.Namespace(req.GetNamespace()), c.hotKeys(req.GetLimit())
	if req.GetAllNamespaces() {
		if req.GetNamespace() != "" {
			c.Fail("all_namespaces", "true beside namespace %s, want one of them", namespace)
		}
		namespace = ""
	}
	if c.Err != nil {
		return c.Err
	}
	for _, key := range h.keys.Top(namespace, limit) {
		rsp.Keys = append(rsp.Keys, &kvpb.ListHotKeysResponse_HotKey{
			Namespace: key.Namespace, Key: key.Key, ReadRate: key.Reads, WriteRate: key.Writes,
		})
	}
	return nil
}

func (c *checks) hotKeys(n int32) int {
	if n < 0 || n > maxHotKeys {
		c.Fail("limit", "%d, want 1 to %d, or 0 for %d", n, maxHotKeys, defaultHotKeys)
	}
	if n == 0 {
		return defaultHotKeys
	}
	return int(n)
}
