package handler_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func TestBatchGetFitsIntoAResponse(t *testing.T) {
	h := open(t, memory.Options{})
	var keys, codes, want []string
	for i := range 6 {
		key := fmt.Sprint(i)
		value := make([]byte, 1<<20)
		if i == 4 {
			value = []byte("small")
		}
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: key, Value: value})
		keys = append(keys, key)
	}
	keys = append(keys, "missing")
	rsp := must[*kvpb.BatchGetResponse](t, h, &kvpb.BatchGetRequest{Keys: keys})
	for i, r := range rsp.GetResults() {
		codes = append(codes, r.GetError().GetCode())
		if (r.GetError() == nil) != (r.GetItem().GetKey() == keys[i]) {
			t.Errorf("result %d: got %s, error %v", i, r.GetItem().GetKey(), r.GetError())
		}
	}
	want = []string{"", "", "resource_exhausted", "resource_exhausted", "", "resource_exhausted", "not_found"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}

	// A thousand results that do not fit are still a response within the bound.
	thousand := make([]string, 1000)
	for i := range thousand {
		thousand[i] = "0"
	}
	rsp = must[*kvpb.BatchGetResponse](t, h, &kvpb.BatchGetRequest{Keys: thousand})
	if n := proto.Size(rsp); n > 3<<20 || len(rsp.GetResults()) != 1000 || rsp.GetResults()[0].GetItem() == nil {
		t.Errorf("%d results of %d bytes, want 1000 with the first item, of at most 3 MiB", len(rsp.GetResults()), n)
	}
}

// counter notes how many keys it is asked for at once.
type counter struct {
	store.Store
	asked []int
}

func (c *counter) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	c.asked = append(c.asked, len(keys))
	return store.GetAll(ctx, c.Store, namespace, keys, items)
}

// TestBatchGetAsksTogether: for few keys at once, and for a hundred after some small items.
func TestBatchGetAsksTogether(t *testing.T) {
	s := memory.Open(memory.Options{})
	defer s.Close()
	if _, err := s.Put(t.Context(), "default", store.Write{Key: "large", Value: make([]byte, 1<<20)}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]int{"missing": {16, 100, 100, 14}, "large": append(slices.Repeat([]int{16}, 14), 6)} {
		c := &counter{Store: s}
		rsp := must[*kvpb.BatchGetResponse](t, over(c), &kvpb.BatchGetRequest{Keys: slices.Repeat([]string{key}, 230)})
		if diff := cmp.Diff(want, c.asked); diff != "" || len(rsp.GetResults()) != 230 {
			t.Errorf("%s: %d results, asked for (-want +got):\n%s", key, len(rsp.GetResults()), diff)
		}
	}
}

func TestBatchPutEachAlone(t *testing.T) {
	h := open(t, memory.Options{})
	must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: "old"})
	rsp := must[*kvpb.BatchPutResponse](t, h, &kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{
		{Key: "old", IfAbsent: true}, {Key: "new", IfVersion: 1}, {Key: "new", Value: []byte("v")},
	}})
	var got []string
	for _, r := range rsp.GetResults() {
		got = append(got, fmt.Sprintf("%s %s %t", r.GetError().GetCode(), r.GetError().GetReason(), r.GetVersion() > 0))
	}
	want := []string{"already_exists kv.exists false", "aborted kv.version_mismatch false", "  true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}
