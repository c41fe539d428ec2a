package chain_test

import (
	"context"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

type identity struct{}

// judge notes what it was asked, and refuses if told to.
type judge struct {
	asked  []asked
	answer error
}

type asked struct {
	Endpoint string
	Touched  []resource.Resource
}

func (j *judge) may(ctx context.Context, c *call.Call, touched []resource.Resource) (context.Context, error) {
	j.asked = append(j.asked, asked{c.Endpoint, touched})
	return context.WithValue(ctx, identity{}, "alice"), j.answer
}

func (j *judge) wrappers(t *testing.T) []server.HandlerWrapper {
	t.Helper()
	return chain.New(with(t, func(c *chain.Config) { c.Authorize = j.may }))
}

func TestAuthorize(t *testing.T) {
	var j judge
	h := wrap(j.wrappers(t), func(ctx context.Context, req server.Request, rsp any) error {
		if _, ok := rsp.(server.Stream); ok {
			return drain(ctx, req, rsp)
		}
		if got := ctx.Value(identity{}); got != "alice" {
			t.Errorf("the handler sees identity %v", got)
		}
		return nil
	})
	if err := unary(t.Context(), h, call.HTTP{}); err != nil {
		t.Error(err)
	}
	if err := stream(t.Context(), h, "first/", "second/"); err != nil {
		t.Error(err)
	}
	want := []asked{
		{"KV.Get", []resource.Resource{{Namespace: "billing", Name: "a"}}},
		{"KV.Watch", []resource.Resource{{Namespace: "default", Name: "first/", Prefix: true}}},
	}
	if diff := cmp.Diff(want, j.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestUnknownTypes: a request without resources is judged by its endpoint.
func TestUnknownTypes(t *testing.T) {
	var j judge
	h := wrap(j.wrappers(t), fails(nil))
	c := &call.Call{Endpoint: "Greeter.Hello", Protocol: call.MuCP, Headers: call.HTTP{}}
	for _, body := range []any{nil, &struct{ Name string }{"x"}} {
		if err := h(call.NewContext(t.Context(), c), request{body: body}, nil); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]asked{{"Greeter.Hello", nil}, {"Greeter.Hello", nil}}, j.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestRefusal(t *testing.T) {
	j := judge{answer: rpcerr.New(codes.PermissionDenied, "auth.policy", "you may not")}
	wrappers := j.wrappers(t)
	wantError(t, unary(t.Context(), wrap(wrappers, func(context.Context, server.Request, any) error {
		t.Error("the handler runs")
		return nil
	}), call.HTTP{}), codes.PermissionDenied, "auth.policy")
	wantError(t, stream(t.Context(), wrap(wrappers, drain), "first/", "second/"), codes.PermissionDenied, "auth.policy")

	// A handler that goes on nevertheless has none of what the caller sends.
	var got []error
	h := wrap(wrappers, func(_ context.Context, _ server.Request, rsp any) error {
		for range 3 {
			got = append(got, rsp.(server.Stream).Recv(new(kvpb.WatchRequest)))
		}
		return nil
	})
	if err := stream(t.Context(), h, "first/", "second/"); err != nil {
		t.Error(err)
	}
	for i, err := range got {
		if rpcerr.Code(err) != codes.PermissionDenied {
			t.Errorf("Recv %d after a refusal: got %v", i, err)
		}
	}
	if len(j.asked) != 3 {
		t.Errorf("asked %d times, want once for each call", len(j.asked))
	}
}

// TestNothingReceived: nobody is asked about a stream that never said what it wants.
func TestNothingReceived(t *testing.T) {
	var j judge
	h := wrap(j.wrappers(t), func(_ context.Context, _ server.Request, rsp any) error {
		if err := rsp.(server.Stream).Recv(new(kvpb.WatchRequest)); err != io.EOF { //nolint:errorlint // what received returns
			t.Errorf("got %v, want EOF", err)
		}
		return nil
	})
	if err := stream(t.Context(), h); err != nil || len(j.asked) > 0 {
		t.Errorf("got error %v, asked %v", err, j.asked)
	}
}

// TestAuthorizePanic: grpc-go would end the process with it.
func TestAuthorizePanic(t *testing.T) {
	h := wrap(chain.New(with(t, func(c *chain.Config) {
		c.Authorize = func(context.Context, *call.Call, []resource.Resource) (context.Context, error) { panic("no policy") }
	})), func(context.Context, server.Request, any) error {
		t.Error("the handler was called")
		return nil
	})
	if got := rpcerr.Code(unary(t.Context(), h, call.HTTP{})); got != codes.Internal {
		t.Errorf("got %v, want internal", got)
	}
}
