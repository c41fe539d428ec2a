package handler

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
	micropb "github.com/micro/platform/proto/micro"
)

// untilRoom is when who met a full store may come back.
const untilRoom = 5 * time.Second

// refusal is what the caller gets for an error of the store, nil for nil. What the
// store did not mean as an answer is "could not tell", with the error for the log.
func refusal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e := known(err); e != nil {
		return e.Because(err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return rpcerr.New(codes.Unavailable, "kv.backend", "the backend did not answer").Because(err)
}

// known returns what an error of the store means, or nil.
func known(err error) *rpcerr.Error {
	var unsupported *store.UnsupportedError
	var limit *store.LimitError
	var quota *store.QuotaError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return rpcerr.New(codes.NotFound, "kv.not_found", "not found")
	case errors.Is(err, store.ErrExists):
		return rpcerr.New(codes.AlreadyExists, "kv.exists", "the key exists, and if_absent is set")
	case errors.Is(err, store.ErrVersion):
		return rpcerr.New(codes.Aborted, "kv.version_mismatch", "the item has another version than if_version: get it again")
	case errors.Is(err, store.ErrNotNumber):
		return rpcerr.New(codes.FailedPrecondition, "kv.not_a_number", "the value is no decimal number of 64 bits")
	case errors.Is(err, store.ErrOverflow):
		return rpcerr.New(codes.FailedPrecondition, "kv.overflow", "the sum does not fit into 64 bits")
	case errors.Is(err, store.ErrCompacted):
		return rpcerr.New(codes.FailedPrecondition, "kv.compacted", "the changes after from_version are no longer kept: list again")
	case errors.Is(err, store.ErrFull):
		return rpcerr.New(codes.ResourceExhausted, "kv.full", "the store is full, nothing was written: come back in %v", untilRoom).Retry(untilRoom)
	case errors.Is(err, store.ErrLagging):
		return rpcerr.New(codes.ResourceExhausted, "kv.lagging", "the watch was read too slowly: go on from the last version")
	case errors.As(err, &quota):
		return rpcerr.New(codes.ResourceExhausted, "kv.quota", "%v: delete some first", quota)
	case errors.As(err, &unsupported):
		return rpcerr.New(codes.Unimplemented, "kv.unsupported", "%v", unsupported)
	case errors.As(err, &limit):
		return rpcerr.Invalid(limit.Field, "%v", limit)
	}
	return nil
}

// errorProto is an error of one element of a batch.
func errorProto(err error) *micropb.Error {
	e := rpcerr.From(err)
	return &micropb.Error{Code: rpcerr.Name(e.Code), Reason: e.Reason, Message: e.Message}
}
