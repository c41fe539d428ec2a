// Package rpcerr keeps one error in step over all protocols: gRPC, HTTP and go-micro's.
package rpcerr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
)

// Error is what a handler answers instead of a response.
type Error struct {
	Code    codes.Code
	Reason  string // stable, such as "kv.version_mismatch"; may be empty
	Message string // for the caller: no secrets, no internals

	Field      string        // of the request, where one is to blame
	RetryAfter time.Duration // when to come back; 0 where that says nothing
	Details    []*anypb.Any  // sent as they are

	cause  error // for the log
	hidden bool
}

// New returns an error for the caller.
func New(code codes.Code, reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: text(format, args...)}
}

// text replaces what is no UTF-8, which protobuf's strings must be.
func text(format string, args ...any) string {
	return strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
}

// Invalid returns an invalid_argument error whose message begins with the field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{
		Code: codes.InvalidArgument, Reason: "invalid_argument", Field: field,
		Message: field + ": " + text(format, args...),
	}
}

// Fault returns an internal error that tells the caller nothing: cause is for the log.
func Fault(reason string, cause error) *Error {
	return &Error{Code: codes.Internal, Reason: reason, Message: "internal error", cause: cause, hidden: true}
}

// Hidden tells of an internal error whose message nobody has written for this caller.
func (e *Error) Hidden() bool { return e.hidden }

// Because returns a copy of e whose cause goes to the log and not to the caller.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Retry returns a copy of e that says when to come back.
func (e *Error) Retry(after time.Duration) *Error {
	c := *e
	c.RetryAfter = after
	return &c
}

func (e *Error) Error() string {
	s := Name(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// From returns the *Error in err, or makes one of a go-micro error, a gRPC status, a
// Connect error or a context error. Anything else is our fault: an internal error
// that tells the caller nothing and has err as its cause. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if e := foreign(err); e != nil {
		e.hidden = e.Code == codes.Internal // it was for another caller
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return New(codes.DeadlineExceeded, "deadline_exceeded", "the deadline has passed").Because(err)
	case errors.Is(err, context.Canceled):
		return New(codes.Canceled, "canceled", "the caller has left").Because(err)
	}
	return Fault("internal", err)
}

// Code returns the code of err: codes.OK for nil.
func Code(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return From(err).Code
}

// WithMessage returns a copy of e that says something else to the caller.
func (e *Error) WithMessage(format string, args ...any) *Error {
	c := *e
	c.Message, c.hidden = text(format, args...), false
	return &c
}
