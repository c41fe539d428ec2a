package discoveryclient

import (
	"context"
	"errors"

	rpc "github.com/micro/platform/internal/client"
)

// What errors.Is tells of an error of this package. It also tells
// context.DeadlineExceeded and context.Canceled.
var (
	// ErrNotFound: there is no such service, or no such instance.
	ErrNotFound = errors.New("not found")

	// ErrWriteOnly: all nodes that were asked leave lookups to others.
	ErrWriteOnly = errors.New("write only")

	// ErrFull: the node has no room for what it was told.
	ErrFull = errors.New("full")

	// ErrSeen: the instance is in the registry below, where its own process has put it, and
	// nobody else removes it.
	ErrSeen = errors.New("seen")

	// ErrUnavailable: the service could not be reached, could not tell, or did not
	// answer in time. What it was told may have been done.
	ErrUnavailable = errors.New("unavailable")
)

// Error is what every call of this package fails with.
type Error = rpc.CallError

const (
	reasonWriteOnly = "discovery.write_only"
	codeUnavailable = "unavailable"
)

func failed(ctx context.Context, op, key string, err error) error {
	return rpc.Fail(ctx, "discovery", op, key, err, kind)
}

// kind goes by the reason where there is one: what knows no services may also answer
// not_found.
func kind(code, reason string) error {
	switch reason {
	case "discovery.not_found":
		return ErrNotFound
	case reasonWriteOnly:
		return ErrWriteOnly
	case "discovery.full":
		return ErrFull
	case "discovery.seen":
		return ErrSeen
	}
	if code == codeUnavailable || code == "deadline_exceeded" {
		return ErrUnavailable
	}
	return nil
}
