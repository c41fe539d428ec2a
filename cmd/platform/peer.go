package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/reflection"
	"github.com/micro/platform/internal/rpcerr"
)

// connect finds an instance of a service that answers. The caller closes it.
func (a *app) connect(ctx context.Context, cmd *cli.Command, service string) (*reflection.Peer, error) {
	ctx, cancel := withTimeout(ctx, cmd, true)
	defer cancel()
	service = a.registered(service)
	all, err := a.addresses(ctx, cmd, service)
	if err != nil {
		return nil, err
	}
	creds, err := a.credentials(cmd)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // spreads load, hides nothing
	var away []string
	for _, address := range all {
		p, err := reflection.Dial(ctx, address, creds)
		if err == nil {
			return p, nil
		}
		err = answered(ctx, cmd, err)
		var e *rpcerr.Error
		if !errors.As(err, &e) || e.Code != codes.Unavailable || ctx.Err() != nil {
			return nil, notReflected(service, address, err)
		}
		away = append(away, address+": "+e.Message)
	}
	return nil, rpcerr.New(codes.Unavailable, "", "no answer from %s at %s", service, strings.Join(away, "\nnor at "))
}

// notReflected says more of a server that knows no reflection.
func notReflected(service, address string, err error) error {
	if rpcerr.Code(err) == codes.Unimplemented {
		return fmt.Errorf("%s at %s does not tell its contract by gRPC reflection: %w", service, address, err)
	}
	return err
}

// answered returns what a call has failed with, nil for nil: what gRPC says as an
// *rpcerr.Error, anything else as it is.
func answered(ctx context.Context, cmd *cli.Command, err error) error {
	if _, ok := status.FromError(err); err == nil || !ok {
		return err
	}
	return late(ctx, cmd, rpcerr.From(err))
}

// late says of a call that has reached its deadline which one that was. A service may
// answer that a little earlier.
func late(ctx context.Context, cmd *cli.Command, e *rpcerr.Error) error {
	const early = 100 * time.Millisecond
	if end, ok := ctx.Deadline(); ok && e.Code == codes.DeadlineExceeded && time.Until(end) < early {
		return rpcerr.New(e.Code, "", "not done within %s (--%s)", timeout(cmd), flagTimeout)
	}
	return e
}

// withHeaders adds headers of the form name=value to the calls of ctx.
func withHeaders(ctx context.Context, headers []string) (context.Context, error) {
	var pairs []string
	for _, h := range headers {
		name, value, ok := strings.Cut(h, "=")
		name = strings.ToLower(name)
		switch {
		case !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.HasPrefix(name, "grpc-"):
			return nil, usage("--%s: %q is not of the form name=value", flagHeader, h)
		case !strings.HasSuffix(name, "-bin") && strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, usage("--%s: the value of %s is not in printable ASCII; a name that ends in -bin takes any", flagHeader, name)
		}
		pairs = append(pairs, name, value)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...), nil
}
