package handler

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// How many items are asked for at once: few, in case they are large, and more after some
// that were small.
const (
	fewTogether = 10
	together    = 100
	small       = 64 << 10 // bytes, of all that were asked for at once
)

// BatchGet implements kvpb.KVHandler. A key whose item does not fit may stand between
// keys whose items do.
func (h *Handler) BatchGet(ctx context.Context, req *kvpb.BatchGetRequest, rsp *kvpb.BatchGetResponse) error {
	namespace, err := checkBatchGet(req)
	if err != nil {
		return err
	}
	kept := size(h.noRoom) // always left for those to come, of which it is the largest but for items
	room, most := maxResponse-len(req.GetKeys())*kept, fewTogether
	rsp.Results = make([]*kvpb.BatchGetResponse_Result, 0, len(req.GetKeys()))
	for keys := req.GetKeys(); len(keys) > 0; {
		part := keys[:min(most, len(keys))]
		keys = keys[len(part):]
		for _, key := range part {
			h.keys.Read(namespace, key)
		}
		items, err := store.GetAll(ctx, h.store, namespace, part)
		if err != nil { // no answer to one key is an answer to the others
			return refusal(ctx, err)
		}
		results, bytes := make([]batchResult, len(items)), 0
		for i, item := range items {
			result := h.noRoom
			if item.Version == 0 {
				result = h.missing
			} else if more := sizeOf(item) - kept; more <= room {
				room -= more
				result = results[i].set(item)
			}
			bytes += item.Size()
			rsp.Results = append(rsp.Results, result)
		}
		most = fewTogether
		if bytes <= small {
			most = together
		}
	}
	return nil
}

func checkBatchGet(req *kvpb.BatchGetRequest) (namespace string, err error) {
	var c checks
	namespace = c.Namespace(req.GetNamespace())
	c.Count("keys", len(req.GetKeys()), maxBatch)
	c.List = "keys"
	for i, key := range req.GetKeys() {
		c.Index = i
		c.key("", key)
	}
	return namespace, c.Err
}

// refused is a result without an item.
func refused(err error) *kvpb.BatchGetResponse_Result {
	return &kvpb.BatchGetResponse_Result{Error: errorProto(err)}
}

// batchResult is a result with an item.
type batchResult struct {
	result kvpb.BatchGetResponse_Result
	item   itemMessage
}

func (r *batchResult) set(i store.Item) *kvpb.BatchGetResponse_Result {
	r.result.Item = r.item.set(i)
	return &r.result
}

// size is what a result takes in a response.
func size(r *kvpb.BatchGetResponse_Result) int {
	return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(r))
}

// sizeOf is what a result with an item takes in a response, or up to 80 bytes more; that of
// protobuf takes longer than the rest of the work for a small item.
func sizeOf(i store.Item) int {
	const fields, pair = 80, 9 // tags, lengths, version and times
	return i.Size() + fields + pair*len(i.Metadata)
}

// BatchPut implements kvpb.KVHandler. A request with an invalid write does nothing; a
// backend that has answered none of the writes fails the request.
func (h *Handler) BatchPut(ctx context.Context, req *kvpb.BatchPutRequest, rsp *kvpb.BatchPutResponse) error {
	namespace, writes, err := checkBatchPut(req)
	if err != nil {
		return err
	}
	for _, w := range writes {
		h.keys.Written(namespace, w.Key)
	}
	all, ended := store.PutAll(ctx, h.store, namespace, writes)
	results := make([]kvpb.BatchPutResponse_Result, len(all))
	rsp.Results = make([]*kvpb.BatchPutResponse_Result, 0, len(all))
	answered := false
	for i, w := range all {
		results[i].Version = w.Version
		if w.Err == nil {
			h.leases.End(namespace, writes[i].Key)
		} else if err = refusal(ctx, w.Err); err != nil {
			results[i].Error = errorProto(err)
		}
		answered = answered || w.Err == nil || rpcerr.Code(err) != codes.Unavailable
		rsp.Results = append(rsp.Results, &results[i])
	}
	if ended != nil || answered {
		return ended
	}
	return err
}

func checkBatchPut(req *kvpb.BatchPutRequest) (namespace string, writes []store.Write, err error) {
	var c checks
	namespace = c.Namespace(req.GetNamespace())
	id := c.requestID(req.GetRequestId())
	c.Count("writes", len(req.GetWrites()), maxBatch)
	if c.Err != nil {
		return "", nil, c.Err
	}
	c.List = "writes"
	writes = make([]store.Write, 0, len(req.GetWrites()))
	for i, w := range req.GetWrites() {
		c.Index = i
		writes = append(writes, c.write(w, id))
	}
	if id != "" {
		c.once(writes)
	}
	return namespace, writes, c.Err
}

// once complains about a key that comes twice.
func (c *checks) once(writes []store.Write) {
	first := make(map[string]int, len(writes))
	for i, w := range writes {
		c.Index = i
		if n, twice := first[w.Key]; twice {
			c.Fail("key", "that of writes[%d], want each key once in a request with request_id", n)
		}
		first[w.Key] = i
	}
}
