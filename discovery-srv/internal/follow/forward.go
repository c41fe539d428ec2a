package follow

import (
	"context"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/internal/reach"
	rpc "github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// These are the calls that write, handed to the node that is followed. What it answers is
// the answer.

// Register implements handler.Writer.
func (f *Follower) Register(ctx context.Context, req *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	return forward(ctx, f, f.registry.Register, req)
}

// Renew implements handler.Writer.
func (f *Follower) Renew(ctx context.Context, req *discoverypb.RenewRequest) (*discoverypb.RenewResponse, error) {
	return forward(ctx, f, f.registry.Renew, req)
}

// Deregister implements handler.Writer.
func (f *Follower) Deregister(ctx context.Context, req *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	return forward(ctx, f, f.registry.Deregister, req)
}

// SetStatus implements handler.Writer.
func (f *Follower) SetStatus(ctx context.Context, req *discoverypb.SetStatusRequest) (*discoverypb.SetStatusResponse, error) {
	return forward(ctx, f, f.registry.SetStatus, req)
}

func forward[Req, Rsp any](ctx context.Context, f *Follower, call func(context.Context, *Req, ...client.CallOption) (*Rsp, error), req *Req) (*Rsp, error) {
	rsp, err := call(ctx, req, append(rpc.Unary(ctx, false), reach.At(f.address())...)...)
	if err != nil {
		return nil, rpc.Error(err)
	}
	return rsp, nil
}
