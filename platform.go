// Package platform wires the platform into a go-micro application.
//
// Its settings are those that every service of the platform has: environment variables
// such as PLATFORM_REGISTRY, which kv-srv -h explains.
package platform

import (
	"context"
	"fmt"
	"os"

	"go-micro.dev/v5"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
	rpc "github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/internal/host"
)

// New returns a go-micro service that is one of the platform's: it answers go-micro
// RPC, gRPC and HTTP/JSON on one port, serves /metrics, /healthz and /readyz there,
// registers where PLATFORM_REGISTRY says, continues traces, and its client finds the
// platform's services. It listens on a free port of 127.0.0.1, unless NAME_ADDRESS
// (GREETER_ADDRESS of "greeter") or an option says otherwise. The options come last, so
// that each piece can be replaced. An error names the setting that is wrong.
//
// Do not call the service's Init: it parses os.Args and undoes settings.
func New(name string, opts ...micro.Option) (micro.Service, error) {
	h, err := open(name)
	if err != nil {
		return nil, err
	}
	ours := []micro.Option{
		micro.Server(h.Server()),
		micro.Client(h.Client()),
		func(o *micro.Options) { o.Registry = h.Registry },
		micro.AfterStop(h.Close),
	}
	return micro.New(name, append(ours, opts...)...), nil
}

// NewClient returns the client of New alone, for a program that is no service, or as
// micro.Client(c) for a service that was made without New.
func NewClient() (client.Client, error) {
	h, err := open("client")
	if err != nil {
		return nil, err
	}
	return h.Client(), nil
}

// NewServer returns the server of New alone, as micro.Server(s) for a service that was
// made without New, and has the same name.
func NewServer(name string) (server.Server, error) {
	h, err := open(name)
	if err != nil {
		return nil, err
	}
	return h.Server(), nil
}

// NewRegistry returns the registry that PLATFORM_REGISTRY names.
func NewRegistry() (registry.Registry, error) {
	h, err := open("registry")
	if err != nil {
		return nil, err
	}
	return h.Registry, nil
}

// Idempotent is an option of a call, for what may be done twice:
//
//	rsp, err := greeter.Hello(ctx, req, platform.Idempotent)
//
// A call that no instance has begun is made again anyway. With Idempotent so is one that was
// cut off, at another instance if there is one, twice at most.
func Idempotent(o *client.CallOptions) { rpc.Idempotent(o) }

// Call tells a handler of New's service about the RPC that it serves, beside its
// messages: protocol, headers, the caller's address and certificate. With ReplyHeader
// and ReplyTrailer it answers more than a message, over each protocol that can.
type Call = call.Call

// CallFromContext returns the Call of a handler's context, or nil outside of one.
func CallFromContext(ctx context.Context) *Call { return call.FromContext(ctx) }

func open(name string) (*host.Host, error) {
	grpccodec.Restore()
	h, err := host.Open(context.Background(), host.Process{Getenv: os.Getenv, Stderr: os.Stderr}, host.Service{Name: name})
	if err != nil {
		return nil, fmt.Errorf("wire %s: %w", name, err)
	}
	return h, nil
}
