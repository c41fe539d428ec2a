package kvclient

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	merrors "go-micro.dev/v5/errors"

	rpc "github.com/micro/platform/internal/client"
	micropb "github.com/micro/platform/proto/micro"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// GetResult is an item, or why there is none.
type GetResult struct {
	Item Item
	Err  error // ErrNotFound
}

// BatchGet returns the items under up to 1000 keys, in their order. It asks more than
// once for items that are larger than one response.
func (c *Client) BatchGet(ctx context.Context, keys ...string) ([]GetResult, error) {
	results := make([]GetResult, len(keys))
	var left []int // indexes of keys
	for i, key := range keys {
		kept, ok := c.near.Get(key)
		if results[i].Item = Item(kept); !ok {
			left = append(left, i)
		}
	}
	for len(left) > 0 {
		asked := c.askAll(keys, left)
		req := &kvpb.BatchGetRequest{Namespace: c.namespace}
		for _, i := range left {
			req.Keys = append(req.Keys, keys[i])
		}
		rsp, err := c.kv.BatchGet(ctx, req, c.call(ctx, again)...)
		if err == nil {
			err = complete(len(rsp.GetResults()), len(left))
		}
		if err != nil {
			for _, a := range asked {
				a.Failed()
			}
			return nil, failed(ctx, "batch get", "", err)
		}
		var large []int
		for n, r := range rsp.GetResults() {
			i := left[n]
			results[i].Item, results[i].Err = c.answered(asked[n], item(r.GetItem()), elementError("get", keys[i], r.GetError()))
			if r.GetError().GetReason() == "kv.response_too_large" {
				large = append(large, i)
			}
		}
		if len(large) == len(left) {
			break
		}
		left = large
	}
	return results, nil
}

// Write is one item to store, with the options of Put.
type Write struct {
	Key       string
	Value     []byte
	TTL       time.Duration // 0: for ever
	Metadata  map[string]string
	IfAbsent  bool
	IfVersion uint64 // 0: in any case
}

// PutResult is the version of an item, or why it was not stored.
type PutResult struct {
	Version uint64
	Err     error
}

// BatchPut stores up to 1000 items in their order, and tells of each whether it was
// stored. If one is malformed, none is stored.
func (c *Client) BatchPut(ctx context.Context, writes []Write) ([]PutResult, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	req := &kvpb.BatchPutRequest{Namespace: c.namespace}
	conditional, once := false, map[string]bool{}
	for _, w := range writes {
		req.Writes = append(req.Writes, &kvpb.BatchPutRequest_Write{
			Key: w.Key, Value: w.Value, Ttl: duration(w.TTL), Metadata: w.Metadata, IfAbsent: w.IfAbsent, IfVersion: w.IfVersion,
		})
		conditional = conditional || w.IfAbsent || w.IfVersion != 0
		once[w.Key] = true
	}
	if conditional && len(once) == len(writes) { // as in Put; a request ID allows each key once
		req.RequestId = rand.Text()
	}
	defer c.near.Drop(slices.Collect(maps.Keys(once))...)
	rsp, err := c.kv.BatchPut(ctx, req, c.call(ctx, req.GetRequestId() != "")...)
	if err == nil {
		err = complete(len(rsp.GetResults()), len(writes))
	}
	if err != nil {
		return nil, failed(ctx, "batch put", "", err)
	}
	results := make([]PutResult, len(writes))
	for i, r := range rsp.GetResults() {
		results[i] = PutResult{Version: r.GetVersion(), Err: elementError("put", writes[i].Key, r.GetError())}
	}
	return results, nil
}

func elementError(op, key string, e *micropb.Error) error {
	if e == nil {
		return nil
	}
	return rpc.NewCallError("kv", op, key, e.GetCode(), e.GetReason(), e.GetMessage(), kind)
}

// complete tells a response with a result for each element from any other.
func complete(got, want int) error {
	if got != want {
		return merrors.InternalServerError("kv.malformed_response", "the response has %d results, want %d", got, want)
	}
	return nil
}
