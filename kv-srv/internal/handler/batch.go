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

// BatchGet implements kvpb.KVHandler. A key whose item does not fit may stand between
// keys whose items do.
func (h *Handler) BatchGet(ctx context.Context, req *kvpb.BatchGetRequest, rsp *kvpb.BatchGetResponse) error {
	var c checks
	namespace := c.namespace(req.GetNamespace())
	c.batch("keys", len(req.GetKeys()))
	c.list = "keys"
	for i, key := range req.GetKeys() {
		c.index = i
		c.key("", key)
	}
	if c.err != nil {
		return c.err
	}
	noRoom := &kvpb.BatchGetResponse_Result{Error: errorProto(rpcerr.New(codes.ResourceExhausted,
		"kv.response_too_large", "the response would exceed 3 MiB: ask for this key again"))}
	room := maxResponse - len(req.GetKeys())*size(noRoom) // that much is always left for those to come
	for _, key := range req.GetKeys() {
		item, err := h.store.Get(ctx, namespace, key)
		result := &kvpb.BatchGetResponse_Result{}
		switch err := refusal(ctx, err); {
		case err == nil:
			result.Item = itemProto(item)
		case rpcerr.Code(err) == codes.NotFound:
			result.Error = errorProto(err)
		default: // no answer to one key is an answer to the others
			return err
		}
		if more := size(result) - size(noRoom); more <= room {
			room -= more
		} else {
			result = noRoom
		}
		rsp.Results = append(rsp.Results, result)
	}
	return nil
}

// size is what a result takes in a response.
func size(r *kvpb.BatchGetResponse_Result) int {
	return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(r))
}

// BatchPut implements kvpb.KVHandler. A request with an invalid write does nothing; a
// backend that has answered none of the writes fails the request.
func (h *Handler) BatchPut(ctx context.Context, req *kvpb.BatchPutRequest, rsp *kvpb.BatchPutResponse) error {
	namespace, writes, err := checkBatchPut(req)
	if err != nil {
		return err
	}
	answered := false
	for _, w := range writes {
		version, failed := h.store.Put(ctx, namespace, w)
		if failed != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		result := &kvpb.BatchPutResponse_Result{Version: version}
		if err = refusal(ctx, failed); err != nil {
			result = &kvpb.BatchPutResponse_Result{Error: errorProto(err)}
		}
		answered = answered || rpcerr.Code(err) != codes.Unavailable
		rsp.Results = append(rsp.Results, result)
	}
	if !answered {
		return err
	}
	return nil
}

func checkBatchPut(req *kvpb.BatchPutRequest) (namespace string, writes []store.Write, err error) {
	var c checks
	namespace = c.namespace(req.GetNamespace())
	id := c.requestID(req.GetRequestId())
	c.batch("writes", len(req.GetWrites()))
	if c.err != nil {
		return "", nil, c.err
	}
	c.list = "writes"
	first := make(map[string]int, len(req.GetWrites()))
	for i, w := range req.GetWrites() {
		c.index = i
		writes = append(writes, c.write(w, id))
		if n, twice := first[w.GetKey()]; twice && id != "" {
			c.fail("key", "that of writes[%d], want each key once in a request with request_id", n)
		}
		first[w.GetKey()] = i
	}
	return namespace, writes, c.err
}
