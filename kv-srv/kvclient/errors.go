package kvclient

import (
	"context"
	"errors"

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
type Error = rpc.CallError

func failed(ctx context.Context, op, key string, err error) error {
	return rpc.Fail(ctx, "kv", op, key, err, kind)
}

// kind goes by the reason where there is one: what knows no keys may also answer
// not_found.
func kind(code, reason string) error {
	switch reason {
	case "kv.not_found":
		return ErrNotFound
	case "kv.exists", "kv.version_mismatch":
		return ErrConflict
	case "kv.compacted":
		return ErrCompacted
	}
	if code == "unavailable" || code == "deadline_exceeded" {
		return ErrUnavailable
	}
	return nil
}
