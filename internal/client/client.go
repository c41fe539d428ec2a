// Package client calls services through go-micro's clients, and sets what those get
// wrong by themselves: deadlines, retries, and errors that say who failed.
package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/internal/tracing"
)

// DefaultTimeout bounds a call whose context has no deadline.
const DefaultTimeout = 5 * time.Second

// freshness is how long a client goes on with what the registry has told it, unless it
// hears of a change before. Longer it does only where the registry has no answer.
const freshness = 30 * time.Second

// New returns a go-micro client that finds services in r, speaks protobuf, passes
// traces on and does not retry. It calls by TLS unless secure is nil. It makes no
// connection before the first call.
func New(r registry.Registry, secure *certs.Source, log *slog.Logger) client.Client {
	l := microlog.New(log)
	return tracing.Wrap(client.NewClient(
		client.Registry(r),
		client.Selector(selector.NewSelector(selector.Registry(r), selector.WithLogger(l), fresh)),
		client.Broker(broker.NewMemoryBroker()),
		client.Transport(newTransport(secure, l)),
		client.ContentType("application/protobuf"),
		client.Retries(0),
		client.WithLogger(l),
	))
}

// fresh says it in the one way that go-micro's selector reads.
func fresh(o *selector.Options) {
	o.Context = context.WithValue(context.Background(), "selector_ttl", freshness) //nolint:forbidigo,revive,staticcheck // see above
}

// Unary returns the options of one call: it ends with the deadline of ctx, which
// go-micro's own protocol would not send along, and is tried again, twice at most, only
// if idempotent and unavailable: not begun, cut off, or left to another instance.
func Unary(ctx context.Context, idempotent bool) []client.CallOption {
	left := DefaultTimeout
	if t, ok := ctx.Deadline(); ok {
		left = max(time.Until(t), time.Millisecond)
	}
	retries := 0
	if idempotent {
		retries = 2
	}
	return []client.CallOption{
		client.WithRequestTimeout(left),
		client.WithConnectionTimeout(left),
		client.WithRetries(retries),
		client.WithRetry(again),
	}
}

// again tells whether another instance may do what this one could not.
func again(_ context.Context, _ client.Request, _ int, err error) (bool, error) {
	return Error(err).Code == codes.Unavailable, nil
}

// Error returns what a call has failed with. What no service has answered is
// unavailable, or deadline_exceeded.
func Error(err error) *rpcerr.Error {
	var own *rpcerr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return rpcerr.From(err)
	}
	m := merrors.FromError(err)
	switch {
	case strings.HasPrefix(m.GetId(), "go.micro.client"):
		return unanswered(m)
	case m.GetCode() != 0:
		return rpcerr.From(m)
	}
	if e := rpcerr.From(err); e.Code != codes.Internal {
		return e
	}
	return rpcerr.New(codes.Unavailable, "connection_lost", "the connection was lost").Because(err)
}

// unanswered is an error of go-micro's client itself.
func unanswered(m *merrors.Error) *rpcerr.Error {
	if m.GetCode() == http.StatusRequestTimeout {
		return rpcerr.New(codes.DeadlineExceeded, "deadline_exceeded", "the deadline has passed")
	}
	return rpcerr.New(codes.Unavailable, "unreachable", "%s", strings.TrimSpace(m.GetDetail()))
}
