package handler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestListHotKeys: each call that takes keys is a use of them, whatever its answer.
func TestListHotKeys(t *testing.T) {
	s := memory.Open(memory.Options{})
	defer s.Close()
	now := time.Now()
	h := handler.New(s, hot.New(func() time.Time { return now }, func() uint32 { return 0 }), time.Now)
	for n, req := range map[int]proto.Message{
		1: &kvpb.DeleteRequest{Key: "deleted"},
		2: &kvpb.IncrementRequest{Key: "incremented"},
		3: &kvpb.TouchRequest{Key: "touched"},
		4: &kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "a"}, {Key: "both", IfVersion: 7}}},
		5: &kvpb.BatchGetRequest{Keys: []string{"both", "b"}},
		6: &kvpb.GetRequest{Key: "missing"},
		7: &kvpb.PutRequest{Namespace: "other", Key: "k"},
		// These are none of a key.
		8: &kvpb.ListRequest{}, 9: &kvpb.DeletePrefixRequest{Prefix: "x"}, 10: &kvpb.ListNamespacesRequest{},
		11: &kvpb.GetRequest{Namespace: "BAD", Key: "refused"},
	} {
		for range n {
			_, _ = call(t.Context(), h, req)
		}
	}
	now = now.Add(10 * time.Second)
	key := func(namespace, key string, reads, writes float64) *kvpb.ListHotKeysResponse_HotKey {
		return &kvpb.ListHotKeysResponse_HotKey{
			Namespace: namespace, Key: key, ReadRate: reads / 10, WriteRate: writes / 10,
		}
	}
	want := []*kvpb.ListHotKeysResponse_HotKey{
		key("default", "both", 5, 4), key("default", "missing", 6, 0), key("default", "b", 5, 0), key("default", "a", 0, 4),
		key("default", "touched", 0, 3), key("default", "incremented", 0, 2), key("default", "deleted", 0, 1),
	}
	check := func(req *kvpb.ListHotKeysRequest, want []*kvpb.ListHotKeysResponse_HotKey) {
		t.Helper()
		got := must[*kvpb.ListHotKeysResponse](t, h, req)
		if diff := cmp.Diff(want, got.GetKeys(), protocmp.Transform()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", req, diff)
		}
	}
	other := key("other", "k", 0, 7)
	check(&kvpb.ListHotKeysRequest{}, want)
	check(&kvpb.ListHotKeysRequest{Limit: 2}, want[:2])
	check(&kvpb.ListHotKeysRequest{Namespace: "other"}, []*kvpb.ListHotKeysResponse_HotKey{other})
	check(&kvpb.ListHotKeysRequest{AllNamespaces: true, Limit: 3}, []*kvpb.ListHotKeysResponse_HotKey{want[0], other, want[1]})

	for i := range 30 {
		_, _ = call(t.Context(), h, &kvpb.GetRequest{Key: fmt.Sprint("more", i)})
	}
	if got := must[*kvpb.ListHotKeysResponse](t, h, &kvpb.ListHotKeysRequest{}); len(got.GetKeys()) != 20 {
		t.Errorf("got %d keys without a limit, want 20", len(got.GetKeys()))
	}
}
