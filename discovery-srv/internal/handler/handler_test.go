package handler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// open returns the handler of a write node without a registry below. No lease of it ends.
func open(t testing.TB, maxBytes int64) *handler.Handler {
	t.Helper()
	known := catalog.New(catalog.Options{MaxBytes: maxBytes})
	leases := lease.New(lease.Options{Share: 0.85, Few: 10, Longest: time.Minute, Warming: 30 * time.Second})
	return handler.New(handler.Config{Catalog: known, Registrar: registrar.New(known, leases, nil, time.Now), Leases: leases})
}

// call makes the unary call that takes req.
func call(ctx context.Context, h *handler.Handler, req proto.Message) (proto.Message, error) {
	switch req := req.(type) {
	case *discoverypb.RegisterRequest:
		var rsp discoverypb.RegisterResponse
		return &rsp, h.Register(ctx, req, &rsp)
	case *discoverypb.RenewRequest:
		var rsp discoverypb.RenewResponse
		return &rsp, h.Renew(ctx, req, &rsp)
	case *discoverypb.DeregisterRequest:
		var rsp discoverypb.DeregisterResponse
		return &rsp, h.Deregister(ctx, req, &rsp)
	case *discoverypb.SetStatusRequest:
		var rsp discoverypb.SetStatusResponse
		return &rsp, h.SetStatus(ctx, req, &rsp)
	case *discoverypb.GetServiceRequest:
		var rsp discoverypb.GetServiceResponse
		return &rsp, h.GetService(ctx, req, &rsp)
	case *discoverypb.ListServicesRequest:
		var rsp discoverypb.ListServicesResponse
		return &rsp, h.ListServices(ctx, req, &rsp)
	case *discoverypb.TimelineRequest:
		var rsp discoverypb.TimelineResponse
		return &rsp, h.Timeline(ctx, req, &rsp)
	case *discoverypb.WatchRequest:
		return nil, h.Watch(ctx, req, &stream{ctx: ctx})
	}
	return nil, fmt.Errorf("no call takes %T", req)
}

// must makes a call that succeeds.
func must[R proto.Message](t testing.TB, h *handler.Handler, req proto.Message) R {
	t.Helper()
	rsp, err := call(t.Context(), h, req)
	if err != nil {
		t.Fatalf("%T: %v", req, err)
	}
	return rsp.(R)
}

// stream passes on what a watch sends.
type stream struct {
	discoverypb.Registry_WatchStream

	ctx  context.Context
	send func(*discoverypb.WatchResponse) error
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) Send(m *discoverypb.WatchResponse) error { return s.send(m) }

// register makes an instance of shop known.
func register(t testing.TB, h *handler.Handler, id string, say func(*discoverypb.Instance)) (leaseID string) {
	t.Helper()
	i := &discoverypb.Instance{Id: id, Address: "10.0.0.1:80"}
	if say != nil {
		say(i)
	}
	return must[*discoverypb.RegisterResponse](t, h, &discoverypb.RegisterRequest{Service: "shop", Instance: i}).GetLeaseId()
}

// refused expects an error with a code and a reason.
func refused(t *testing.T, h *handler.Handler, req proto.Message, code codes.Code, reason, message string) {
	t.Helper()
	_, err := call(t.Context(), h, req)
	got := rpcerr.From(err)
	if err == nil || got.Code != code || got.Reason != reason || got.Message != message {
		t.Errorf("%T: got %v, want %v (%s): %s", req, err, code, reason, message)
	}
}

func TestRefusals(t *testing.T) {
	h := open(t, 2000)
	refused(t, h, &discoverypb.GetServiceRequest{Service: "shop"}, codes.NotFound, "discovery.not_found", "no such service")
	refused(t, h, &discoverypb.TimelineRequest{Service: "shop"}, codes.NotFound, "discovery.not_found", "nothing is known to have happened there")
	refused(t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a"}, codes.NotFound, "discovery.not_found", "no such instance")
	refused(t, h, &discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a"}, codes.NotFound, "discovery.not_found", "no such instance")
	first := register(t, h, "a", nil)
	own := register(t, h, "a", nil)
	const another = "the instance has another lease: it was registered again, or this one has ended"
	refused(t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", LeaseId: first}, codes.Aborted, "discovery.lease", another)
	refused(t, h, &discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", LeaseId: first, Status: 2}, codes.Aborted, "discovery.lease", another)
	full := &discoverypb.RegisterRequest{Service: "shop", Instance: &discoverypb.Instance{Id: "b", Address: "a:1"}}
	refused(t, h, full, codes.ResourceExhausted, "discovery.full", "the node is full, nothing was registered: come back in 10s")
	if _, err := call(t.Context(), h, full); rpcerr.From(err).RetryAfter != 10*time.Second {
		t.Errorf("full: %v, want to come back in 10s", err)
	}
	if got := must[*discoverypb.RenewResponse](t, h, &discoverypb.RenewRequest{LeaseIds: []string{first, own}}); len(got.GetUnknownLeaseIds()) != 1 {
		t.Errorf("renew: unknown %q, want the first alone", got.GetUnknownLeaseIds())
	}
	must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", LeaseId: own})
}

// FuzzRegister registers what anybody may say: it is refused with its field, or is there.
func FuzzRegister(f *testing.F) {
	add := func(req *discoverypb.RegisterRequest) {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	add(&discoverypb.RegisterRequest{})
	add(valid())
	deep := &discoverypb.Value{Name: "v", Type: "string"}
	for range 10 {
		deep = &discoverypb.Value{Values: []*discoverypb.Value{deep}}
	}
	add(&discoverypb.RegisterRequest{Service: "a/../b", Instance: &discoverypb.Instance{Id: "a", Address: "[::1]:80", Endpoints: []*discoverypb.Endpoint{{Request: deep}}}})
	h := open(f, 1<<30)
	f.Fuzz(func(t *testing.T, b []byte) {
		var req discoverypb.RegisterRequest
		if proto.Unmarshal(b, &req) != nil {
			return
		}
		id, service, namespace := req.GetInstance().GetId(), req.GetService(), req.GetNamespace()
		rsp, err := call(t.Context(), h, &req)
		if err != nil {
			if e := rpcerr.From(err); e.Code != codes.InvalidArgument || e.Field == "" || !strings.HasPrefix(e.Message, e.Field+": ") {
				t.Fatalf("%v: %v", &req, err)
			}
			return
		}
		all := must[*discoverypb.GetServiceResponse](t, h, &discoverypb.GetServiceRequest{Namespace: namespace, Service: service})
		if len(all.GetInstances()) != 1 || all.GetInstances()[0].GetId() != id || all.GetInstances()[0].GetStatus() == 0 {
			t.Fatalf("%v is there as %v", &req, all)
		}
		if _, err := proto.Marshal(all); err != nil {
			t.Fatal(err)
		}
		must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{
			Namespace: namespace, Service: service, InstanceId: id, LeaseId: rsp.(*discoverypb.RegisterResponse).GetLeaseId(),
		})
	})
}
