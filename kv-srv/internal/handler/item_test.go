package handler_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestGetAgain: a response that is used again has all of its item, and nothing of the one
// before; nor has the store.
func TestGetAgain(t *testing.T) {
	h := open(t, memory.Options{})
	for _, put := range []*kvpb.PutRequest{
		{Key: "a", Value: []byte("1"), Ttl: durationpb.New(time.Hour), Metadata: map[string]string{"by": "a"}},
		{Key: "b", Value: []byte("22")},
		{Key: "c", Ttl: durationpb.New(time.Minute)},
	} {
		if err := h.Put(t.Context(), put, &kvpb.PutResponse{}); err != nil {
			t.Fatal(err)
		}
	}
	again := &kvpb.GetResponse{Item: &kvpb.Item{}}
	for _, key := range []string{"a", "b", "c", "a", "c", "b", "a"} {
		fresh := &kvpb.GetResponse{}
		for _, rsp := range []*kvpb.GetResponse{again, fresh} {
			if err := h.Get(t.Context(), &kvpb.GetRequest{Key: key}, rsp); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(fresh, again, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-fresh +again):\n%s", key, diff)
		}
	}
}
