package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// broken is a store that answers everything alike.
type broken struct {
	store.Store

	err error
}

func (b broken) Get(context.Context, string, string) (store.Item, error) { return store.Item{}, b.err }

func (b broken) Put(context.Context, string, store.Write) (uint64, error) { return 0, b.err }

func (b broken) Delete(context.Context, string, store.Removal) error { return b.err }

func (b broken) Increment(context.Context, string, store.Addition) (int64, uint64, error) {
	return 0, 0, b.err
}

func (b broken) Touch(context.Context, string, string, time.Duration) (uint64, error) {
	return 0, b.err
}

func (b broken) List(context.Context, string, store.Query) (store.Page, error) {
	return store.Page{}, b.err
}

func (b broken) DeletePrefix(context.Context, string, string) (int, error) { return 0, b.err }

func (b broken) Namespaces(context.Context, store.NamespaceQuery) (store.NamespacePage, error) {
	return store.NamespacePage{}, b.err
}

func (b broken) Watch(context.Context, string, string, uint64, func(store.Event) error) error {
	return b.err
}

func TestErrorsOfTheStore(t *testing.T) {
	requests := []proto.Message{
		&kvpb.GetRequest{Key: "k"}, &kvpb.PutRequest{Key: "k"}, &kvpb.DeleteRequest{Key: "k"}, &kvpb.IncrementRequest{Key: "k"},
		&kvpb.TouchRequest{Key: "k"}, &kvpb.ListRequest{}, &kvpb.DeletePrefixRequest{Prefix: "k"}, &kvpb.WatchRequest{},
		&kvpb.ListNamespacesRequest{},
	}
	for _, tt := range []struct {
		err    error
		code   codes.Code
		reason string
		retry  time.Duration
	}{
		{store.ErrNotFound, codes.NotFound, "kv.not_found", 0},
		{store.ErrExists, codes.AlreadyExists, "kv.exists", 0},
		{store.ErrVersion, codes.Aborted, "kv.version_mismatch", 0},
		{store.ErrNotNumber, codes.FailedPrecondition, "kv.not_a_number", 0},
		{store.ErrOverflow, codes.FailedPrecondition, "kv.overflow", 0},
		{store.ErrCompacted, codes.FailedPrecondition, "kv.compacted", 0},
		{store.ErrFull, codes.ResourceExhausted, "kv.full", 5 * time.Second},
		{store.ErrLagging, codes.ResourceExhausted, "kv.lagging", 0},
		{&store.UnsupportedError{Backend: "memcached", Op: "list", Have: []string{"redis", "etcd"}}, codes.Unimplemented, "kv.unsupported", 0},
		{&store.LimitError{Backend: "etcd", Field: "value", Limit: "1 MiB"}, codes.InvalidArgument, "invalid_argument", 0},
		{&store.QuotaError{Namespace: "ns", Unit: "keys", Max: 10}, codes.ResourceExhausted, "kv.quota", 0},
		{errors.New("anything"), codes.Unavailable, "kv.backend", 0},
		{context.DeadlineExceeded, codes.Unavailable, "kv.backend", 0}, // that of the backend
	} {
		wrapped := fmt.Errorf("secret host: %w", tt.err)
		h := over(broken{err: wrapped})
		for _, req := range requests {
			_, err := call(t.Context(), h, req)
			e := rpcerr.From(err)
			if err == nil || e.Code != tt.code || e.Reason != tt.reason || e.RetryAfter != tt.retry {
				t.Errorf("%T, %v: got %v %s, want %v %s", req, tt.err, err, e.Reason, tt.code, tt.reason)
				continue
			}
			if !errors.Is(err, tt.err) || strings.Contains(e.Message, "secret") || e.Message == "" {
				t.Errorf("%T, %v: got %q for the caller, %v for the log", req, tt.err, e.Message, err)
			}
		}
		checkBatches(t, h, tt.code, tt.reason)
	}
	_, err := call(t.Context(), over(broken{err: &store.UnsupportedError{Backend: "memcached", Op: "list", Have: []string{"redis", "etcd"}}}), &kvpb.ListRequest{})
	if got, want := rpcerr.From(err).Message, "memcached cannot list (redis, etcd can)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// checkBatches checks that a batch has the error in its elements if it is an answer to
// them, and as a whole if not.
func checkBatches(t *testing.T, h *handler.Handler, code codes.Code, reason string) {
	t.Helper()
	rsp, err := call(t.Context(), h, &kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "a"}, {Key: "b"}}})
	if code == codes.Unavailable {
		if rpcerr.Code(err) != code {
			t.Errorf("BatchPut: got %v, want %v", err, code)
		}
	} else if results := rsp.(*kvpb.BatchPutResponse).GetResults(); err != nil || len(results) != 2 ||
		results[1].GetError().GetCode() != rpcerr.Name(code) || results[1].GetError().GetReason() != reason || results[1].GetError().GetMessage() == "" {
		t.Errorf("BatchPut: got %v, %v, want two times %s", results, err, reason)
	}

	rsp, err = call(t.Context(), h, &kvpb.BatchGetRequest{Keys: []string{"a", "b"}})
	if code != codes.NotFound {
		if rpcerr.Code(err) != code {
			t.Errorf("BatchGet: got %v, want %v", err, code)
		}
	} else if results := rsp.(*kvpb.BatchGetResponse).GetResults(); err != nil || len(results) != 2 || results[1].GetError().GetReason() != reason {
		t.Errorf("BatchGet: got %v, %v, want two times %s", results, err, reason)
	}
}

func TestContextErrorsPassThrough(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := over(broken{err: errors.New("read tcp: operation was canceled")})
	for _, req := range []proto.Message{
		&kvpb.GetRequest{Key: "k"}, &kvpb.BatchGetRequest{Keys: []string{"k"}}, &kvpb.WatchRequest{},
		&kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "a"}}},
	} {
		if _, err := call(ctx, h, req); !errors.Is(err, context.Canceled) {
			t.Errorf("%T: got %v, want that of the context", req, err)
		}
	}
}

func TestFullStoreRefuses(t *testing.T) {
	h := open(t, memory.Options{MaxBytes: 1 << 20})
	_, err := call(t.Context(), h, &kvpb.PutRequest{Key: "k", Value: make([]byte, 1<<20)})
	if e := rpcerr.From(err); err == nil || e.Reason != "kv.full" || strings.Contains(e.Message, "bytes") {
		t.Errorf("got %v, want kv.full without figures", err)
	}
}
