package handler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// served returns a handler over an empty memory store, as the service has it.
func served(b *testing.B) *handler.Handler {
	b.Helper()
	s := memory.Open(memory.Options{})
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return handler.New(s, hot.New(time.Now, rand.Uint32), time.Now)
}

// BenchmarkGet gets an item of 100 bytes in memory, of several in turn.
func BenchmarkGet(b *testing.B) {
	h := served(b)
	reqs := make([]*kvpb.GetRequest, 1000)
	for i := range reqs {
		key := fmt.Sprintf("bench/%d", i)
		must[*kvpb.PutResponse](b, h, &kvpb.PutRequest{Key: key, Value: make([]byte, 100)})
		reqs[i] = &kvpb.GetRequest{Key: key}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % len(reqs) {
		var rsp kvpb.GetResponse
		if err := h.Get(b.Context(), reqs[i], &rsp); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatchGet gets 100 items of 100 bytes in memory, from the request's bytes to
// those of the response.
func BenchmarkBatchGet(b *testing.B) {
	h := served(b)
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
