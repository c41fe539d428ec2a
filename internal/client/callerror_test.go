package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	merrors "go-micro.dev/v5/errors"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/rpcerr"
)

// The errors of a client's package.
var (
	errNotFound = errors.New("not found")
	errMoved    = errors.New("moved")
)

func kind(code, reason string) error {
	switch {
	case reason == "kv.version_mismatch":
		return errMoved
	case code == "not_found":
		return errNotFound
	}
	return nil
}

func TestFail(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	left, leave := context.WithCancel(t.Context())
	leave()
	timeout := merrors.Timeout("go.micro.client", "call timeout: context canceled")
	tests := map[string]struct {
		ctx  context.Context
		key  string
		err  error
		want client.CallError
		text string
		is   []error
	}{
		"by its code": {
			t.Context(), "a", rpcerr.New(codes.NotFound, "kv.not_found", "no such key").Micro(),
			client.CallError{Code: "not_found", Reason: "kv.not_found", Message: "no such key"}, `kv get "a": no such key`, []error{errNotFound},
		},
		"by its reason": {
			t.Context(), "", rpcerr.New(codes.Aborted, "kv.version_mismatch", "the version is 7"),
			client.CallError{Code: "aborted", Reason: "kv.version_mismatch", Message: "the version is 7"}, "kv get: the version is 7", []error{errMoved},
		},
		"without a name": {
			t.Context(), "a\n", rpcerr.New(codes.ResourceExhausted, "kv.full", "full"),
			client.CallError{Code: "resource_exhausted", Reason: "kv.full", Message: "full"}, `kv get "a\n": full`, nil,
		},
		"the service was late": {
			t.Context(), "", rpcerr.New(codes.DeadlineExceeded, "deadline_exceeded", "the deadline has passed").Micro(),
			client.CallError{Code: "deadline_exceeded", Reason: "deadline_exceeded", Message: "the deadline has passed"},
			"kv get: the deadline has passed", []error{context.DeadlineExceeded},
		},
		"the context was late": {
			late, "", rpcerr.New(codes.Unavailable, "unreachable", "EOF"),
			client.CallError{Code: "deadline_exceeded", Reason: "deadline_exceeded", Message: "context deadline exceeded"},
			"kv get: context deadline exceeded", []error{context.DeadlineExceeded},
		},
		"the caller left": { // which go-micro's client takes for a deadline
			left, "", timeout, client.CallError{Code: "canceled", Reason: "canceled", Message: "context canceled"},
			"kv get: context canceled", []error{context.Canceled},
		},
		"a refusal before the caller left": {
			left, "", rpcerr.New(codes.NotFound, "kv.not_found", "no such key"), client.CallError{Code: "not_found", Reason: "kv.not_found", Message: "no such key"},
			"kv get: no such key", []error{errNotFound},
		},
	}
	all := []error{errNotFound, errMoved, context.Canceled, context.DeadlineExceeded}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := fmt.Errorf("greet: %w", client.Fail(tt.ctx, "kv", "get", tt.key, tt.err, kind))
			got, ok := errors.AsType[*client.CallError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			tt.want.Service, tt.want.Op, tt.want.Key = "kv", "get", tt.key
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreUnexported(client.CallError{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Error() != tt.text {
				t.Errorf("got %q, want %q", got, tt.text)
			}
			for _, e := range all {
				if got, want := errors.Is(err, e), slices.Contains(tt.is, e); got != want {
					t.Errorf("is %v: got %v, want %v", e, got, want)
				}
			}
		})
	}
	if err := client.Fail(t.Context(), "kv", "get", "", nil, kind); err != nil {
		t.Errorf("got %v for nil", err)
	}
}
