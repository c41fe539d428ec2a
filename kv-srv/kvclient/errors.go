package kvclient

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc/codes"

	rpc "github.com/micro/platform/internal/client"
)

// What errors.Is tells of an error of this package. It also tells
// context.DeadlineExceeded and context.Canceled.
var (
	// ErrNotFound: there is no such item.
	ErrNotFound = errors.New("not found")

	// ErrConflict: IfAbsent or IfVersion did not hold.
	ErrConflict = errors.New("conflict")

	// ErrCompacted: the changes after FromVersion are no longer known; list again.
	ErrCompacted = errors.New("compacted")

	// ErrUnavailable: the service could not be reached, could not tell, or did not
	// answer in time. A write may have been done.
	ErrUnavailable = errors.New("unavailable")
)

// Error is what every call of this package fails with.
type Error struct {
	Op      string // "get"
	Key     string // or the prefix; "" for a batch
	Code    string // "not_found"; those of the Connect protocol
	Reason  string // stable, such as "kv.version_mismatch"
	Message string // for people
}

// Error is such as `kv get "greeting": not found`.
func (e *Error) Error() string {
	s := "kv " + e.Op
	if e.Key != "" {
		s += " " + strconv.Quote(e.Key)
	}
	return s + ": " + e.Message
}

// Is tells the errors of this package and of contexts.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Reason == "kv.not_found" // what knows no keys may also answer not_found
	case ErrConflict:
		return e.Reason == "kv.exists" || e.Reason == "kv.version_mismatch"
	case ErrCompacted:
		return e.Reason == "kv.compacted"
	case ErrUnavailable:
		return e.Code == "unavailable" || e.Code == "deadline_exceeded"
	case context.DeadlineExceeded:
		return e.Code == "deadline_exceeded"
	case context.Canceled:
		return e.Code == "canceled"
	}
	return false
}

// failed returns what err means, nil for nil. A call that ends with its context fails
// in many ways.
func failed(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := rpc.Error(err)
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		if why := ctx.Err(); why != nil {
			e = rpc.Error(why).WithMessage("%v", why)
		}
	default:
	}
	return &Error{Op: op, Key: key, Code: e.Micro().GetStatus(), Reason: e.Reason, Message: e.Message}
}
