package client

import (
	"context"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// CallError is what the client of a service fails with, under a name of its own there.
type CallError struct {
	Service string // "kv"
	Op      string // "get"
	Key     string // what the call named; may be empty
	Code    string // "not_found"; those of the Connect protocol
	Reason  string // stable, such as "kv.version_mismatch"
	Message string // for people

	kinds []error
}

// Error is such as `kv get "greeting": not found`.
func (f *CallError) Error() string {
	s := f.Service + " " + f.Op
	if f.Key != "" {
		s += " " + strconv.Quote(f.Key)
	}
	return s + ": " + f.Message
}

// Unwrap returns what errors.Is tells: the errors of the client's package, and those of
// contexts.
func (f *CallError) Unwrap() []error { return f.kinds }

// NewCallError returns a failure whose code and so on are known. kind finds the error of
// the client's package that it is, or nil.
func NewCallError(service, op, key, code, reason, message string, kind func(code, reason string) error) *CallError {
	f := &CallError{Service: service, Op: op, Key: key, Code: code, Reason: reason, Message: message}
	if k := kind(code, reason); k != nil {
		f.kinds = append(f.kinds, k)
	}
	switch code {
	case rpcerr.Name(codes.DeadlineExceeded):
		f.kinds = append(f.kinds, context.DeadlineExceeded)
	case rpcerr.Name(codes.Canceled):
		f.kinds = append(f.kinds, context.Canceled)
	}
	return f
}

// Fail returns what err means, nil for nil. A call that ends with its context fails in
// many ways: ctx tells them from others.
func Fail(ctx context.Context, service, op, key string, err error, kind func(code, reason string) error) error {
	if err == nil {
		return nil
	}
	e := Error(err)
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		if why := ctx.Err(); why != nil {
			e = Error(why).WithMessage("%v", why)
		}
	default:
	}
	return NewCallError(service, op, key, rpcerr.Name(e.Code), e.Reason, e.Message, kind)
}
