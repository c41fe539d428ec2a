package handler_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// BenchmarkBatchGet gets 100 items of 100 bytes in memory, from the request's bytes to
// those of the response.
func BenchmarkBatchGet(b *testing.B) {
	h := open(b, memory.Options{})
	req := &kvpb.BatchGetRequest{}
	for i := range 100 {
		key := fmt.Sprintf("bench/%d", i)
		must[*kvpb.PutResponse](b, h, &kvpb.PutRequest{Key: key, Value: make([]byte, 100)})
		req.Keys = append(req.Keys, key)
	}
	in, err := proto.Marshal(req)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var req kvpb.BatchGetRequest
		var rsp kvpb.BatchGetResponse
		if err := proto.Unmarshal(in, &req); err != nil {
			b.Fatal(err)
		}
		if err := h.BatchGet(b.Context(), &req, &rsp); err != nil {
			b.Fatal(err)
		}
		if _, err := proto.Marshal(&rsp); err != nil {
			b.Fatal(err)
		}
	}
}
