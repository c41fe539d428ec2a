package port_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// relay asks echo-srv what metadata arrives there.
type relay struct {
	echo.Handler

	next echopb.EchoService
}

func (r *relay) Call(ctx context.Context, _ *echopb.CallRequest, rsp *echopb.CallResponse) error {
	got, err := r.next.Call(ctx, &echopb.CallRequest{Text: "metadata"})
	rsp.Metadata = got.GetMetadata()
	return err
}

// TestHops: what a caller says to one service reaches those that it calls, but for what
// concerns the one connection or the one message.
func TestHops(t *testing.T) {
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}), host.Service{Name: "relay-srv", Start: func(_ context.Context, h *host.Host) error {
		return echopb.RegisterEchoHandler(h.Server(), &relay{next: echopb.NewEchoService("echo-srv", h.Client())})
	}})
	address := p.Address("relay-srv")
	over := func(t *testing.T, path string, header http.Header) map[string]string {
		t.Helper()
		header.Set("X-Tenant", "a")
		_, _, body := post(t, "http://"+address+path, `{}`, header)
		rsp := new(echopb.CallResponse)
		if err := unmarshal(body, rsp); err != nil {
			t.Fatalf("got %s: %v", body, err)
		}
		return rsp.GetMetadata()
	}
	doors := map[string]func(t *testing.T) map[string]string{
		"gRPC": func(t *testing.T) map[string]string {
			ctx := metadata.AppendToOutgoingContext(limited(t), "x-tenant", "a", "micro-stream", "1", "timeout", "1", "remote", "10.9.9.9:1")
			out := new(echopb.CallResponse)
			if err := dial(t, address).Invoke(ctx, "/micro.test.v1.Echo/Call", &echopb.CallRequest{}, out); err != nil {
				t.Fatal(err)
			}
			return out.GetMetadata()
		},
		"Connect": func(t *testing.T) map[string]string {
			return over(t, "/Echo/Call", http.Header{"Connect-Timeout-Ms": {"10000"}, "Connect-Protocol-Version": {"1"}, "Micro-Stream": {"1"}, "Remote": {"10.9.9.9:1"}})
		},
		"go-micro RPC": func(t *testing.T) map[string]string {
			return over(t, "/", http.Header{
				"Micro-Endpoint": {"Echo.Call"}, "Micro-Service": {"relay-srv"}, "Micro-Id": {"7"}, "Timeout": {"10000000000"}, "Remote": {"10.9.9.9:1"},
			})
		},
	}
	for name, through := range doors {
		t.Run(name, func(t *testing.T) {
			got := through(t)
			if got["Remote"] == "" || got["Remote"] == "10.9.9.9:1" {
				t.Errorf("the peer is %q", got["Remote"])
			}
			delete(got, "Remote")
			// go-micro's client says by itself what it calls, and with which deadline: the
			// service has taken that for the call.
			if diff := cmp.Diff([]string{"X-Tenant"}, slices.Sorted(maps.Keys(got))); diff != "" || got["X-Tenant"] != "a" {
				t.Errorf("got %v (-want +got):\n%s", got, diff)
			}
		})
	}
}
