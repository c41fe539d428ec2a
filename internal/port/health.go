package port

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health answers grpc.health.v1 by asking, so that it is never older than the call.
type health struct {
	healthpb.UnimplementedHealthServer
	ready func(context.Context) error
	known func(service string) bool
	done  <-chan struct{} // ends watches
}

func (h *health) status(ctx context.Context) healthpb.HealthCheckResponse_ServingStatus {
	if h.ready(ctx) != nil {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}

func (h *health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if r.GetService() != "" && !h.known(r.GetService()) {
		return nil, status.Errorf(codes.NotFound, "no service %q", r.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: h.status(ctx)}, nil
}

// Watch looks once a second and sends what has changed.
func (h *health) Watch(r *healthpb.HealthCheckRequest, st grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		now := healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		if r.GetService() == "" || h.known(r.GetService()) {
			now = h.status(st.Context())
		}
		if now != last {
			last = now
			if err := st.Send(&healthpb.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-h.done:
			return status.Error(codes.Unavailable, "the server is stopping")
		case <-st.Context().Done():
			return st.Context().Err()
		}
	}
}
