package ring_test

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// TestProofPassedOn: what proves to one node that the caller has the key proves nothing to
// another one.
func TestProofPassedOn(t *testing.T) {
	var heard atomic.Pointer[metadata.MD] // what the second node is sent
	var second atomic.Pointer[string]
	key := func(o *ring.Options) {
		o.Key = make([]byte, 32)
		o.Dial = func(address string) (*grpc.ClientConn, error) {
			return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})),
				grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, rsp any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if to := second.Load(); to != nil && *to == address {
						md, _ := metadata.FromOutgoingContext(ctx)
						heard.Store(&md)
					}
					return next(ctx, method, req, rsp, cc, opts...)
				}))
		}
	}
	all := newRing(t, 3, key)
	second.Store(&all[1].name)
	eventually(t, "the second node is called", func() bool { return heard.Load() != nil })
	for i, want := range []codes.Code{codes.Unauthenticated, codes.OK, codes.Unauthenticated} {
		conn, err := dial(all[i].name)
		if err != nil {
			t.Fatal(err)
		}
		ctx := metadata.NewOutgoingContext(t.Context(), *heard.Load())
		err = conn.Invoke(ctx, "/micro.ring.v1.Ring/Beat", &ringpb.BeatRequest{}, &ringpb.BeatResponse{})
		if got := status.Code(err); got != want {
			t.Errorf("at node %d: got %v (%v), want %v", i, got, err, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
