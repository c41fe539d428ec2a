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

// retries is how often a call is tried again that no instance has begun, and with another
// one if there is.
const retries = 2

// dialing bounds the making of a connection, so that a call to a machine that is gone has
// time left for another one.
const dialing = 2 * time.Second

// New returns a go-micro client that finds services in r, speaks protobuf and passes traces
// on. It tries a call again that no instance has begun, and no other. It calls by TLS
// unless secure is nil. It makes no connection before the first call.
func New(r registry.Registry, secure *certs.Source, log *slog.Logger) client.Client {
	l := microlog.New(log)
	var s selector.Selector = &direct{r, spread}
	if _, cached := r.(interface{ Cached() }); !cached {
		s = selector.NewSelector(selector.Registry(r), selector.WithLogger(l), selector.SetStrategy(spread), fresh)
	}
	return tracing.Wrap(client.NewClient(
		client.Registry(r),
		client.Selector(s),
		client.Broker(broker.NewMemoryBroker()),
		client.Transport(newTransport(secure, l)),
		client.ContentType("application/protobuf"),
		client.DialTimeout(dialing),
		client.Retries(retries),
		client.Retry(unbegun),
		client.Backoff(soon),
		client.WithLogger(l),
	))
}

// fresh says it in the one way that go-micro's selector reads.
func fresh(o *selector.Options) {
	o.Context = context.WithValue(context.Background(), "selector_ttl", freshness) //nolint:forbidigo,revive,staticcheck // see above
}

// Unary returns the options of one call: it ends with the deadline of ctx, which
// go-micro's own protocol would not send along, and is tried again, twice at most, if no
// instance has begun it, or if it is idempotent and unavailable: cut off, or left to
// another instance.
func Unary(ctx context.Context, idempotent bool) []client.CallOption {
	left := DefaultTimeout
	if t, ok := ctx.Deadline(); ok {
		left = max(time.Until(t), time.Millisecond)
	}
	opts := []client.CallOption{
		client.WithRequestTimeout(left),
		client.WithConnectionTimeout(left),
		client.WithRetries(retries),
		client.WithRetry(unbegun),
		client.WithBackoff(soon),
	}
	if idempotent {
		opts = append(opts, Idempotent)
	}
	return opts
}

// Idempotent is a client.CallOption: the call may be made twice, and is tried again, twice at
// most, also if it was cut off.
func Idempotent(o *client.CallOptions) {
	o.Retries, o.Retry, o.Backoff = retries, again, soon
}

// unbegun tells whether no instance has begun what was asked for: it could not be reached,
// had closed the connection before anything was sent, or says that it is stopping.
func unbegun(_ context.Context, _ client.Request, _ int, err error) (bool, error) {
	if e := Error(err); e.Reason == "draining" {
		return true, nil
	}
	m := merrors.FromError(err)
	return strings.HasPrefix(m.GetId(), "go.micro.client") &&
		(strings.HasPrefix(m.GetDetail(), "connection error: ") || strings.Contains(m.GetDetail(), notSent)), nil
}

// soon is how long a try waits for the one before: the first two not at all.
func soon(_ context.Context, _ client.Request, attempt int) (time.Duration, error) {
	return time.Duration(max(attempt-1, 0)) * 50 * time.Millisecond, nil
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
