package console

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// upstream sends a request to the first instance that it can connect to. What comes back
// is one answer with a body, and no more: no switch to another protocol, no answers before
// it, no trailers behind it.
type upstream struct {
	transport *http.Transport
	patience  time.Duration // for all that comes before the body
}

// RoundTrip implements http.RoundTripper.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(valueless{r.Context()})
	late := time.AfterFunc(u.patience, cancel)
	rsp, err := u.first(r, ctx)
	switch {
	case !late.Stop() && r.Context().Err() == nil:
		err = errors.Join(err, closeBody(rsp))
		err = rpcerr.New(codes.DeadlineExceeded, "console.late", "%s does not answer within %s", r.URL.Host, u.patience).Because(err)
	case err == nil && rsp.StatusCode < http.StatusOK:
		err = errors.Join(refused("%s", rsp.Status), closeBody(rsp))
	}
	if err != nil {
		cancel()
		return nil, err
	}
	one := *rsp
	one.Request, one.Trailer, one.Body = r, nil, &ending{rsp.Body, cancel}
	return &one, nil
}

// first asks the instances one after the other until one can be connected to. Those
// before it have had nothing of the request.
func (u *upstream) first(r *http.Request, ctx context.Context) (rsp *http.Response, err error) { //nolint:revive // r is what it is about
	to, _ := r.Context().Value(towardKey{}).(toward)
	for _, address := range to.addresses {
		r.URL.Host, r.Host = address, address
		out := r.WithContext(ctx)
		if r.Body != nil {
			out.Body = io.NopCloser(r.Body) // the next one needs it
		}
		rsp, err = u.transport.RoundTrip(out)
		if _, ok := errors.AsType[*connectError](err); !ok {
			return rsp, err
		}
	}
	return nil, err
}

// connectError is why there is no connection.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// connect bounds dial, and tells its errors from others.
func connect(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialing)
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, &connectError{err}
		}
		return conn, nil
	}
}

// valueless is a context without values: httputil.ReverseProxy would be told by one of
// each 1xx answer, and pass on as many as come.
type valueless struct{ context.Context } //nolint:containedctx // it is one

func (valueless) Value(any) any { return nil }

// ending is a body that ends the context of its request.
type ending struct {
	io.ReadCloser

	cancel context.CancelFunc
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}

func closeBody(rsp *http.Response) error {
	if rsp == nil {
		return nil
	}
	return rsp.Body.Close()
}
