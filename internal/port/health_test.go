package port_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
)

// unready is echo-srv that waits for something until told otherwise.
func unready(t *testing.T) (*port.Server, healthpb.HealthClient, *atomic.Bool) {
	t.Helper()
	var waits atomic.Bool
	c := config()
	c.Ready = func(context.Context) error {
		if waits.Load() {
			return errors.New("waiting for the store")
		}
		return nil
	}
	s := port.New(context.WithoutCancel(t.Context()), c)
	if err := with(&echo.Handler{})(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, healthpb.NewHealthClient(dial(t, s.Addr().String())), &waits
}

func TestHealth(t *testing.T) {
	s, c, waits := unready(t)
	defer s.Stop() //nolint:errcheck // other tests look at it
	for _, isWaiting := range []bool{false, true, false} {
		waits.Store(isWaiting)
		want := healthpb.HealthCheckResponse_SERVING
		if isWaiting {
			want = healthpb.HealthCheckResponse_NOT_SERVING
		}
		for _, service := range []string{"", "micro.test.v1.Echo"} {
			if got, err := c.Check(limited(t), &healthpb.HealthCheckRequest{Service: service}); err != nil || got.GetStatus() != want {
				t.Errorf("%q: got %v, %v, want %v", service, got, err, want)
			}
		}
		if _, err := c.Check(limited(t), &healthpb.HealthCheckRequest{Service: "micro.test.v1.None"}); status.Code(err) != codes.NotFound {
			t.Errorf("no such service: got %v", err)
		}
	}
}

func TestHealthWatch(t *testing.T) {
	s, c, waits := unready(t)
	watch := func(service string) healthpb.Health_WatchClient {
		st, err := c.Watch(limited(t), &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	expect := func(st healthpb.Health_WatchClient, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := st.Recv(); err != nil || got.GetStatus() != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	all, one, none := watch(""), watch("micro.test.v1.Echo"), watch("micro.test.v1.None")
	expect(all, healthpb.HealthCheckResponse_SERVING)
	expect(one, healthpb.HealthCheckResponse_SERVING)
	expect(none, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	waits.Store(true)
	expect(all, healthpb.HealthCheckResponse_NOT_SERVING)
	expect(one, healthpb.HealthCheckResponse_NOT_SERVING)
	waits.Store(false)
	expect(all, healthpb.HealthCheckResponse_SERVING)
	expect(one, healthpb.HealthCheckResponse_SERVING)

	stopped := make(chan error)
	go func() { stopped <- s.Stop() }()
	for name, st := range map[string]healthpb.Health_WatchClient{"all": all, "one": one, "none": none} {
		for { // the last word may be that it serves no more
			got, err := st.Recv()
			if err == nil && got.GetStatus() == healthpb.HealthCheckResponse_NOT_SERVING {
				continue
			}
			if status.Code(err) != codes.Unavailable {
				t.Errorf("%s, draining: got %v, %v, want unavailable", name, got, err)
			}
			break
		}
	}
	if err := receive(t, stopped, "the server to stop"); err != nil {
		t.Error(err)
	}
}
