package handler

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
	micropb "github.com/micro/platform/proto/micro"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// How many items are asked for at once: few, in case they are large, and more after some
// that were small.
const (
	fewTogether = 16
	together    = 100
	small       = 64 << 10 // bytes, of all that were asked for at once
)

// BatchGet implements kvpb.KVHandler. A key whose item does not fit may stand between
// keys whose items do. Results that the response has already are filled.
func (h *Handler) BatchGet(ctx context.Context, req *kvpb.BatchGetRequest, rsp *kvpb.BatchGetResponse) error {
	namespace, err := checkBatchGet(req)
	if err != nil {
		return err
	}
	keys := req.GetKeys()
	results, most, room := prepare(rsp, len(keys)), fewTogether, maxResponse-len(keys)*h.kept
	space := h.space()
	for len(keys) > 0 {
		n := min(most, len(keys))
		items := space[:n]
		for _, key := range keys[:n] {
			h.keys.Read(namespace, key)
		}
		if err := store.GetAll(ctx, h.store, namespace, keys[:n], items); err != nil { // no answer to one key is an answer to the others
			return refusal(ctx, err)
		}
		var bytes int
		if bytes, room = h.fill(results[:n], items, room); bytes <= small {
			most = together
		} else {
			most = fewTogether
		}
		clear(items)
		keys, results = keys[n:], results[n:]
	}
	h.items.Put(space)
	return nil
}

// space returns room for items, all zero.
func (h *Handler) space() *[together]store.Item {
	if s, ok := h.items.Get().(*[together]store.Item); ok {
		return s
	}
	return new([together]store.Item)
}

// fill makes items results, as far as there is room, of which some is always left for what
// is none. It returns how large all items are, and what room is left.
func (h *Handler) fill(results []*kvpb.BatchGetResponse_Result, items []store.Item, room int) (bytes, left int) {
	for i := range items {
		r, item := results[i], &items[i]
		bytes += item.Size()
		more := sizeOf(item) - h.kept
		switch {
		case item.Version == 0:
			r.Item, r.Error = nil, h.missing
		case more > room:
			r.Item, r.Error = nil, h.noRoom
		default:
			room -= more
			r.Item, r.Error = renew(r.GetItem(), item), nil
		}
	}
	return bytes, room
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

// prepare gives a response n results. Those that it has are its caller's to use again.
func prepare(rsp *kvpb.BatchGetResponse, n int) []*kvpb.BatchGetResponse_Result {
	if cap(rsp.GetResults()) >= n {
		rsp.Results = rsp.GetResults()[:n]
		return rsp.GetResults()
	}
	rsp.Results = make([]*kvpb.BatchGetResponse_Result, n)
	all := make([]struct {
		result kvpb.BatchGetResponse_Result
		item   itemMessage
	}, n) // one allocation
	for i := range all {
		all[i].result.Item = all[i].item.empty()
		rsp.Results[i] = &all[i].result
	}
	return rsp.GetResults()
}

// size is what a result without an item takes in a response.
func size(failure *micropb.Error) int {
	return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(&kvpb.BatchGetResponse_Result{Error: failure}))
}

// sizeOf is what a result with an item takes in a response, or up to 80 bytes more; that of
// protobuf takes longer than the rest of the work for a small item.
func sizeOf(i *store.Item) int {
	const fields, pair = 80, 9 // tags, lengths, version and times
	return i.Size() + fields + pair*len(i.Metadata)
}

// BatchPut implements kvpb.KVHandler. A request with an invalid write does nothing; a
// backend that has answered none of the writes fails the request. Results that the response
// has already are filled.
func (h *Handler) BatchPut(ctx context.Context, req *kvpb.BatchPutRequest, rsp *kvpb.BatchPutResponse) error {
	namespace, writes, err := checkBatchPut(req)
	if err != nil {
		return err
	}
	for i := range writes {
		h.keys.Written(namespace, writes[i].Key)
	}
	all, ended := store.PutAll(ctx, h.store, namespace, writes)
	answered := false
	for i, r := range stored(rsp, len(all)) {
		w := all[i]
		r.Version, r.Error = w.Version, nil
		if w.Err == nil {
			h.leases.End(namespace, writes[i].Key)
		} else if err = refusal(ctx, w.Err); err != nil {
			r.Error = errorProto(err)
		}
		answered = answered || w.Err == nil || rpcerr.Code(err) != codes.Unavailable
	}
	if ended != nil || answered {
		return ended
	}
	return err
}

// stored gives a response n results, as prepare does.
func stored(rsp *kvpb.BatchPutResponse, n int) []*kvpb.BatchPutResponse_Result {
	if cap(rsp.GetResults()) >= n {
		rsp.Results = rsp.GetResults()[:n]
		return rsp.GetResults()
	}
	all := make([]kvpb.BatchPutResponse_Result, n)
	rsp.Results = make([]*kvpb.BatchPutResponse_Result, n)
	for i := range all {
		rsp.Results[i] = &all[i]
	}
	return rsp.GetResults()
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
