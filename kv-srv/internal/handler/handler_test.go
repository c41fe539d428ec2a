package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// open returns a handler over an empty memory store.
func open(t testing.TB, o memory.Options) *handler.Handler {
	t.Helper()
	s := memory.Open(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return over(s)
}

// over returns a handler over a store, which counts each use of a key.
func over(s store.Store) *handler.Handler {
	return handler.New(s, hot.New(time.Now, func() uint32 { return 0 }), time.Now)
}

// call makes the unary call that takes req.
func call(ctx context.Context, h *handler.Handler, req proto.Message) (proto.Message, error) {
	switch req := req.(type) {
	case *kvpb.GetRequest:
		var rsp kvpb.GetResponse
		return &rsp, h.Get(ctx, req, &rsp)
	case *kvpb.PutRequest:
		var rsp kvpb.PutResponse
		return &rsp, h.Put(ctx, req, &rsp)
	case *kvpb.DeleteRequest:
		var rsp kvpb.DeleteResponse
		return &rsp, h.Delete(ctx, req, &rsp)
	case *kvpb.IncrementRequest:
		var rsp kvpb.IncrementResponse
		return &rsp, h.Increment(ctx, req, &rsp)
	case *kvpb.TouchRequest:
		var rsp kvpb.TouchResponse
		return &rsp, h.Touch(ctx, req, &rsp)
	case *kvpb.BatchGetRequest:
		var rsp kvpb.BatchGetResponse
		return &rsp, h.BatchGet(ctx, req, &rsp)
	case *kvpb.BatchPutRequest:
		var rsp kvpb.BatchPutResponse
		return &rsp, h.BatchPut(ctx, req, &rsp)
	case *kvpb.ListRequest:
		var rsp kvpb.ListResponse
		return &rsp, h.List(ctx, req, &rsp)
	case *kvpb.DeletePrefixRequest:
		var rsp kvpb.DeletePrefixResponse
		return &rsp, h.DeletePrefix(ctx, req, &rsp)
	case *kvpb.ListNamespacesRequest:
		var rsp kvpb.ListNamespacesResponse
		return &rsp, h.ListNamespaces(ctx, req, &rsp)
	case *kvpb.ListHotKeysRequest:
		var rsp kvpb.ListHotKeysResponse
		return &rsp, h.ListHotKeys(ctx, req, &rsp)
	case *kvpb.WatchRequest:
		return nil, h.Watch(ctx, req, &stream{ctx: ctx})
	}
	return nil, fmt.Errorf("no call takes %T", req)
}

// must makes a call that succeeds.
func must[R proto.Message](t testing.TB, h *handler.Handler, req proto.Message) R {
	t.Helper()
	rsp, err := call(t.Context(), h, req)
	if err != nil {
		t.Fatalf("%T: %v", req, err)
	}
	return rsp.(R)
}

// stream keeps what a watch sends.
type stream struct {
	kvpb.KV_WatchStream

	ctx  context.Context
	send func(*kvpb.WatchResponse) error
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) Send(m *kvpb.WatchResponse) error { return s.send(m) }

func TestInvalidRequests(t *testing.T) {
	h := open(t, memory.Options{})
	long := strings.Repeat("x", 1025)
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint(i)] = ""
	}
	keys := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint(i)
		}
		return all
	}
	writes := func(all ...*kvpb.BatchPutRequest_Write) *kvpb.BatchPutRequest {
		return &kvpb.BatchPutRequest{Writes: all}
	}
	ok := &kvpb.BatchPutRequest_Write{Key: "ok"}
	page := must[*kvpb.ListResponse](t, listOfThree(t, h), &kvpb.ListRequest{Namespace: "three", PageSize: 1})
	namespaces := must[*kvpb.ListNamespacesResponse](t, alsoIn(t, h, "two"), &kvpb.ListNamespacesRequest{PageSize: 1})

	for _, tt := range []struct {
		req  proto.Message
		want string // the message, which begins with the field
	}{
		{&kvpb.GetRequest{Namespace: "Upper", Key: "k"}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.GetRequest{Namespace: long, Key: "k"}, `namespace: 1025 bytes long, want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.GetRequest{}, `key: 0 bytes long, want 1 to 1024`},
		{&kvpb.GetRequest{Key: long}, `key: 1025 bytes long, want 1 to 1024`},
		{&kvpb.GetRequest{Key: "\xff"}, `key: not UTF-8`},
		{&kvpb.GetRequest{Key: "k", Lease: durationpb.New(0)}, `lease: 0s, want 1ms to 1m, or none`},
		{&kvpb.GetRequest{Key: "k", Lease: durationpb.New(time.Minute + 1)}, `lease: 1m0.000000001s, want 1ms to 1m, or none`},
		{&kvpb.GetRequest{Key: "k", Stale: durationpb.New(time.Second)}, `stale: 1s without lease, want both or lease alone`},
		{&kvpb.GetRequest{Key: "k", Lease: durationpb.New(time.Second), Stale: durationpb.New(0)}, `stale: 0s, want 1ms to 10 years, or none`},

		{&kvpb.PutRequest{Namespace: "a_b", Key: "k"}, `namespace: has '_', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.PutRequest{}, `key: 0 bytes long, want 1 to 1024`},
		{&kvpb.PutRequest{Key: "k", Value: make([]byte, 1<<20+1)}, `value: 1048577 bytes long, want at most 1048576`},
		{&kvpb.PutRequest{Key: "k", Ttl: durationpb.New(-time.Second)}, `ttl: -1s, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Ttl: durationpb.New(0)}, `ttl: 0s, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Ttl: durationpb.New(time.Millisecond - 1)}, `ttl: 999.999µs, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Ttl: durationpb.New(11 * 365 * 24 * time.Hour)}, `ttl: 96360h0m0s, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Ttl: &durationpb.Duration{Seconds: 1 << 62}}, `ttl: 2562047h47m16.854775807s, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Ttl: &durationpb.Duration{Seconds: 2, Nanos: -1}}, `ttl: 1.999999999s, want 1ms to 10 years, or none`},
		{&kvpb.PutRequest{Key: "k", Metadata: many}, `metadata: 65 entries, want at most 64`},
		{&kvpb.PutRequest{Key: "k", Metadata: map[string]string{"a": long + long + long + long}}, `metadata: 4101 bytes of keys and values, want at most 4096`},
		{&kvpb.PutRequest{Key: "k", Metadata: map[string]string{"a": "\xff"}}, `metadata: not UTF-8`},
		{&kvpb.PutRequest{Key: "k", IfAbsent: true, IfVersion: 7}, `if_version: 7 beside if_absent, want one of them`},
		{&kvpb.PutRequest{Key: "k", RequestId: long}, `request_id: 1025 bytes long, want at most 128`},

		{&kvpb.DeleteRequest{}, `key: 0 bytes long, want 1 to 1024`},
		{&kvpb.DeleteRequest{Key: "k", RequestId: long}, `request_id: 1025 bytes long, want at most 128`},
		{&kvpb.IncrementRequest{}, `key: 0 bytes long, want 1 to 1024`},
		{&kvpb.IncrementRequest{Key: "k", Ttl: durationpb.New(-1)}, `ttl: -1ns, want 1ms to 10 years, or none`},
		{&kvpb.IncrementRequest{Key: "k", RequestId: long}, `request_id: 1025 bytes long, want at most 128`},
		{&kvpb.TouchRequest{}, `key: 0 bytes long, want 1 to 1024`},
		{&kvpb.TouchRequest{Key: "k", Ttl: durationpb.New(-1)}, `ttl: -1ns, want 1ms to 10 years, or none`},

		{&kvpb.BatchGetRequest{Namespace: "Upper", Keys: []string{"k"}}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.BatchGetRequest{}, `keys: 0 of them, want 1 to 1000`},
		{&kvpb.BatchGetRequest{Keys: keys(1001)}, `keys: 1001 of them, want 1 to 1000`},
		{&kvpb.BatchGetRequest{Keys: []string{"a", "", "c"}}, `keys[1]: 0 bytes long, want 1 to 1024`},

		{writes(), `writes: 0 of them, want 1 to 1000`},
		{writes(make([]*kvpb.BatchPutRequest_Write, 1001)...), `writes: 1001 of them, want 1 to 1000`},
		{writes(ok, ok, ok, &kvpb.BatchPutRequest_Write{Key: long}), `writes[3].key: 1025 bytes long, want 1 to 1024`},
		{writes(ok, &kvpb.BatchPutRequest_Write{Key: "k", Value: make([]byte, 1<<20+1)}), `writes[1].value: 1048577 bytes long, want at most 1048576`},
		{writes(ok, &kvpb.BatchPutRequest_Write{Key: "k", IfAbsent: true, IfVersion: 7}), `writes[1].if_version: 7 beside if_absent, want one of them`},
		{&kvpb.BatchPutRequest{RequestId: long, Writes: []*kvpb.BatchPutRequest_Write{ok}}, `request_id: 1025 bytes long, want at most 128`},
		{&kvpb.BatchPutRequest{RequestId: "r", Writes: []*kvpb.BatchPutRequest_Write{ok, {Key: "k"}, ok}}, `writes[2].key: that of writes[0], want each key once in a request with request_id`},

		{&kvpb.ListRequest{Namespace: "Upper"}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.ListRequest{Prefix: long}, `prefix: 1025 bytes long, want at most 1024`},
		{&kvpb.ListRequest{Prefix: "\xff"}, `prefix: not UTF-8`},
		{&kvpb.ListRequest{PageSize: -1}, `page_size: -1, want 1 to 1000, or 0 for 100`},
		{&kvpb.ListRequest{PageSize: 1001}, `page_size: 1001, want 1 to 1000, or 0 for 100`},
		{&kvpb.ListRequest{PageToken: "?"}, `page_token: not of this namespace and prefix, want next_page_token of the page before`},
		{&kvpb.ListRequest{PageToken: "AAAA"}, `page_token: not of this namespace and prefix, want next_page_token of the page before`},
		{&kvpb.ListRequest{PageToken: page.GetNextPageToken()}, `page_token: not of this namespace and prefix, want next_page_token of the page before`},
		{&kvpb.ListRequest{Namespace: "three", Prefix: "k", PageToken: page.GetNextPageToken()}, `page_token: not of this namespace and prefix, want next_page_token of the page before`},

		{&kvpb.ListRequest{PageToken: namespaces.GetNextPageToken()}, `page_token: not of this namespace and prefix, want next_page_token of the page before`},

		{&kvpb.ListNamespacesRequest{PageSize: -1}, `page_size: -1, want 1 to 1000, or 0 for 100`},
		{&kvpb.ListNamespacesRequest{PageSize: 1001}, `page_size: 1001, want 1 to 1000, or 0 for 100`},
		{&kvpb.ListNamespacesRequest{PageToken: "?"}, `page_token: not of ListNamespaces, want next_page_token of the page before`},
		{&kvpb.ListNamespacesRequest{PageToken: page.GetNextPageToken()}, `page_token: not of ListNamespaces, want next_page_token of the page before`},
		{&kvpb.ListHotKeysRequest{Namespace: "Upper"}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.ListHotKeysRequest{Limit: -1}, `limit: -1, want 1 to 100, or 0 for 20`},
		{&kvpb.ListHotKeysRequest{Limit: 101}, `limit: 101, want 1 to 100, or 0 for 20`},
		{&kvpb.ListHotKeysRequest{AllNamespaces: true, Namespace: "default"}, `all_namespaces: true beside namespace default, want one of them`},

		{&kvpb.DeletePrefixRequest{}, `prefix: empty, which is the whole namespace: confirm it with all`},
		{&kvpb.DeletePrefixRequest{Prefix: long}, `prefix: 1025 bytes long, want at most 1024`},
		{&kvpb.WatchRequest{Namespace: "Upper"}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&kvpb.WatchRequest{Prefix: long}, `prefix: 1025 bytes long, want at most 1024`},
	} {
		_, err := call(t.Context(), h, tt.req)
		var e *rpcerr.Error
		if !errors.As(err, &e) {
			t.Errorf("%T: got %v, want an error: %s", tt.req, err, tt.want)
			continue
		}
		if e.Code != codes.InvalidArgument || e.Message != tt.want {
			t.Errorf("%T: got %v: %s, want %s", tt.req, e.Code, e.Message, tt.want)
		}
		if field, _, _ := strings.Cut(tt.want, ":"); e.Field != field {
			t.Errorf("%T: got field %q, want %q", tt.req, e.Field, field)
		}
	}
	if got := must[*kvpb.ListResponse](t, h, &kvpb.ListRequest{}); len(got.GetItems()) > 0 {
		t.Errorf("requests that were refused have written %v", got.GetItems())
	}
}

// alsoIn puts a key into a namespace.
func alsoIn(t testing.TB, h *handler.Handler, namespace string) *handler.Handler {
	t.Helper()
	must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Namespace: namespace, Key: "k"})
	return h
}

// listOfThree puts k1, k2 and k3 into the namespace three.
func listOfThree(t testing.TB, h *handler.Handler) *handler.Handler {
	t.Helper()
	for i := range 3 {
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Namespace: "three", Key: fmt.Sprint("k", i+1)})
	}
	return h
}

func TestLimitsAreAllowed(t *testing.T) {
	h := open(t, memory.Options{})
	full := map[string]string{}
	for i := range 64 {
		full[fmt.Sprintf("%02d", i)] = strings.Repeat("x", 62)
	}
	var keys []string
	var writes []*kvpb.BatchPutRequest_Write
	for i := range 1000 {
		keys = append(keys, fmt.Sprint(i))
		writes = append(writes, &kvpb.BatchPutRequest_Write{Key: keys[i]})
	}
	for _, req := range []proto.Message{
		&kvpb.PutRequest{
			Namespace: strings.Repeat("a-9", 21), Key: strings.Repeat("é", 512), Value: make([]byte, 1<<20), Metadata: full,
			Ttl: durationpb.New(time.Until(time.Now().AddDate(10, 0, 0))), RequestId: strings.Repeat("r", 128),
		},
		&kvpb.PutRequest{Key: "\x00", Ttl: durationpb.New(time.Millisecond)},
		&kvpb.BatchPutRequest{Writes: writes, RequestId: "r"},
		&kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "twice"}, {Key: "twice"}}},
		&kvpb.BatchGetRequest{Keys: keys},
		&kvpb.ListRequest{PageSize: 1000, Prefix: strings.Repeat("p", 1024)},
		&kvpb.DeletePrefixRequest{All: true},
	} {
		if _, err := call(t.Context(), h, req); err != nil {
			t.Errorf("%T: %v", req, err)
		}
	}
}

func TestItems(t *testing.T) {
	h := open(t, memory.Options{Now: func() time.Time { return time.Unix(1e9, 0) }})
	put := must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{
		Namespace: "n", Key: "k", Value: []byte("v"), Ttl: durationpb.New(time.Minute), Metadata: map[string]string{"a": "b"},
	})
	got := must[*kvpb.GetResponse](t, h, &kvpb.GetRequest{Namespace: "n", Key: "k"}).GetItem()
	if got.GetUpdateTime().GetSeconds() != 1e9 || got.GetExpireTime().GetSeconds() != 1e9+60 {
		t.Errorf("update_time %v, expire_time %v", got.GetUpdateTime(), got.GetExpireTime())
	}
	got.UpdateTime, got.ExpireTime = nil, nil
	want := &kvpb.Item{Key: "k", Value: []byte("v"), Version: put.GetVersion(), Metadata: map[string]string{"a": "b"}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}

	must[*kvpb.TouchResponse](t, h, &kvpb.TouchRequest{Namespace: "n", Key: "k"})
	got = must[*kvpb.GetResponse](t, h, &kvpb.GetRequest{Namespace: "n", Key: "k"}).GetItem()
	if got.GetExpireTime() != nil {
		t.Errorf("expire_time %v after Touch without ttl, want none", got.GetExpireTime())
	}
	for _, want := range []int64{3, 3} { // with one request ID
		sum := must[*kvpb.IncrementResponse](t, h, &kvpb.IncrementRequest{Key: "n", Delta: 3, RequestId: "r"})
		if sum.GetValue() != want || sum.GetVersion() == 0 {
			t.Errorf("Increment: got %v, want %d", sum, want)
		}
	}
	must[*kvpb.DeleteResponse](t, h, &kvpb.DeleteRequest{Namespace: "n", Key: "k", IfVersion: got.GetVersion()})
	if _, err := call(t.Context(), h, &kvpb.GetRequest{Namespace: "n", Key: "k"}); rpcerr.Code(err) != codes.NotFound {
		t.Errorf("Get after Delete: %v, want not_found", err)
	}
	// An empty namespace is "default".
	must[*kvpb.GetResponse](t, h, &kvpb.GetRequest{Namespace: "default", Key: "n"})
}

func TestListPages(t *testing.T) {
	h := listOfThree(t, open(t, memory.Options{}))
	req := &kvpb.ListRequest{Namespace: "three", Prefix: "k", PageSize: 2}
	first := must[*kvpb.ListResponse](t, h, req)
	req.PageToken, req.PageSize, req.KeysOnly = first.GetNextPageToken(), 3, true // may change between pages
	second := must[*kvpb.ListResponse](t, h, req)
	var got []string
	for _, i := range append(first.GetItems(), second.GetItems()...) {
		got = append(got, i.GetKey())
	}
	if diff := cmp.Diff([]string{"k1", "k2", "k3"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if first.GetVersion() == 0 || second.GetNextPageToken() != "" {
		t.Errorf("version %d, last next_page_token %q", first.GetVersion(), second.GetNextPageToken())
	}

	for i := range 4 {
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: fmt.Sprint(i), Value: make([]byte, 1<<20)})
	}
	if got := must[*kvpb.ListResponse](t, h, &kvpb.ListRequest{}); len(got.GetItems()) != 2 || got.GetNextPageToken() == "" {
		t.Errorf("a page has %d items of 1 MiB, want 2 and another page", len(got.GetItems()))
	}
	if got := must[*kvpb.ListResponse](t, h, &kvpb.ListRequest{KeysOnly: true}); len(got.GetItems()) != 4 || len(got.GetItems()[0].GetValue()) > 0 {
		t.Errorf("keys_only has %d items, the first of %d bytes, want 4 without values", len(got.GetItems()), len(got.GetItems()[0].GetValue()))
	}
	if got := must[*kvpb.DeletePrefixResponse](t, h, &kvpb.DeletePrefixRequest{Namespace: "three", Prefix: "k"}); got.GetDeleted() != 3 {
		t.Errorf("DeletePrefix: got %d, want 3", got.GetDeleted())
	}
}

func TestWatch(t *testing.T) {
	h := open(t, memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan *kvpb.WatchResponse)
	ended := make(chan error)
	go func() {
		ended <- h.Watch(ctx, &kvpb.WatchRequest{Prefix: "a"}, &stream{ctx: ctx, send: func(m *kvpb.WatchResponse) error {
			select {
			case sent <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	}()
	if m := <-sent; m.GetType() != kvpb.WatchResponse_TYPE_PROGRESS || m.GetItem() != nil {
		t.Errorf("first message: got %v, want PROGRESS", m)
	}
	put := must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: "a", Value: []byte("v")})
	must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: "b"})
	m := <-sent
	if m.GetType() != kvpb.WatchResponse_TYPE_PUT || m.GetVersion() != put.GetVersion() || !bytes.Equal(m.GetItem().GetValue(), []byte("v")) {
		t.Errorf("after Put: got %v", m)
	}
	must[*kvpb.DeleteResponse](t, h, &kvpb.DeleteRequest{Key: "a"})
	m = <-sent
	want := &kvpb.WatchResponse{Type: kvpb.WatchResponse_TYPE_DELETE, Version: m.GetVersion(), Item: &kvpb.Item{Key: "a", Version: m.GetVersion()}}
	if diff := cmp.Diff(want, m, protocmp.Transform()); diff != "" {
		t.Errorf("after Delete (-want +got):\n%s", diff)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: got %v, want that context's error", err)
	}

	lost := errors.New("broken pipe")
	err := h.Watch(t.Context(), &kvpb.WatchRequest{}, &stream{ctx: t.Context(), send: func(*kvpb.WatchResponse) error { return lost }})
	if rpcerr.Code(err) != codes.Canceled || !errors.Is(err, lost) {
		t.Errorf("a caller that is gone: got %v, want canceled because of it", err)
	}
}

// FuzzPageToken makes up tokens: they are refused, or lead to what their query may read.
func FuzzPageToken(f *testing.F) {
	h := listOfThree(f, open(f, memory.Options{}))
	must[*kvpb.PutResponse](f, h, &kvpb.PutRequest{Namespace: "three", Key: "a"})
	must[*kvpb.PutResponse](f, h, &kvpb.PutRequest{Namespace: "three", Key: "z"})
	req := &kvpb.ListRequest{Namespace: "three", Prefix: "k", PageSize: 1}
	f.Add(must[*kvpb.ListResponse](f, h, req).GetNextPageToken())
	f.Add("AAAAAAAAAAAAa2s")
	f.Fuzz(func(t *testing.T, token string) {
		rsp, err := call(t.Context(), h, &kvpb.ListRequest{Namespace: "three", Prefix: "k", PageToken: token})
		if err != nil {
			if rpcerr.From(err).Field != "page_token" {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		for _, i := range rsp.(*kvpb.ListResponse).GetItems() {
			if !strings.HasPrefix(i.GetKey(), "k") {
				t.Errorf("%q leads to %s", token, i.GetKey())
			}
		}
	})
}
