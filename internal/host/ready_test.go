package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
)

func TestReady(t *testing.T) {
	var mu sync.Mutex
	missing := map[string]error{}
	say := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		missing[name] = err
	}
	p := hosttest.Run(t, nil, service("one-srv", func(_ context.Context, h *host.Host) error {
		for _, name := range []string{"store", "peers"} {
			h.Ready(name, func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				return missing[name]
			})
		}
		return nil
	}))
	conn, err := grpc.NewClient(p.Address("one-srv"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	type answer struct {
		Status  string
		Waiting map[string]string
	}
	expect := func(code int, want answer) {
		t.Helper()
		status, body := get(t, "http://"+p.Address("one-srv")+"/readyz")
		var got answer
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("got %s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" || status != code {
			t.Errorf("got %d, want %d (-want +got):\n%s", status, code, diff)
		}
		serving := healthpb.HealthCheckResponse_SERVING
		if code != http.StatusOK {
			serving = healthpb.HealthCheckResponse_NOT_SERVING
		}
		if got, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || got.GetStatus() != serving {
			t.Errorf("health: got %v, %v, want %v", got, err, serving)
		}
		if code, _ := get(t, "http://"+p.Address("one-srv")+"/healthz"); code != http.StatusOK {
			t.Errorf("/healthz: got %d: it lives, whatever it waits for", code)
		}
	}
	expect(http.StatusOK, answer{Status: "ready"})
	say("store", errors.New("redis 10.0.0.1: connection refused"))
	expect(http.StatusServiceUnavailable, answer{"waiting", map[string]string{"store": "redis 10.0.0.1: connection refused"}})
	say("peers", errors.New("one of three"))
	expect(http.StatusServiceUnavailable, answer{"waiting", map[string]string{"store": "redis 10.0.0.1: connection refused", "peers": "one of three"}})
	say("store", nil)
	say("peers", nil)
	expect(http.StatusOK, answer{Status: "ready"})
}

// TestReadySlow: a check that hangs is over after a second.
func TestReadySlow(t *testing.T) {
	p := hosttest.Run(t, nil, service("one-srv", func(_ context.Context, h *host.Host) error {
		h.Ready("store", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		return nil
	}))
	begin := time.Now()
	if code, body := get(t, "http://"+p.Address("one-srv")+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "deadline exceeded") {
		t.Errorf("got %d %s", code, body)
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

// leaving is a registry that a service can leave when a test says so.
type leaving struct {
	registry.Registry

	asked, may chan struct{}
}

func (l *leaving) Deregister(s *registry.Service, opts ...registry.DeregisterOption) error {
	close(l.asked)
	<-l.may
	return l.Registry.Deregister(s, opts...)
}

// TestReadyOff: a service that stops is not ready before it is out of the registry.
func TestReadyOff(t *testing.T) {
	p := process(t, nil)
	l := &leaving{registry.NewMemoryRegistry(), make(chan struct{}), make(chan struct{})}
	p.Registry = l
	r := run(t, p, service("one-srv", nothing))
	r.stop()
	<-l.asked
	if code, body := get(t, "http://"+r.address["one-srv"]+"/readyz"); code != http.StatusServiceUnavailable || body != `{"status":"waiting","waiting":{"stop":"stopping"}}`+"\n" {
		t.Errorf("got %d %s", code, body)
	}
	close(l.may)
	if err := r.end(); err != nil {
		t.Error(err)
	}
}
