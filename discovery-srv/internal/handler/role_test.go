package handler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	caller "github.com/micro/platform/internal/call"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// source is a write node that was heard of a minute ago.
type source struct {
	write *handler.Handler
	since time.Time
}

func (s source) Register(ctx context.Context, req *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	rsp := &discoverypb.RegisterResponse{}
	return rsp, s.write.Register(ctx, req, rsp)
}

func (s source) Renew(ctx context.Context, req *discoverypb.RenewRequest) (*discoverypb.RenewResponse, error) {
	rsp := &discoverypb.RenewResponse{}
	return rsp, s.write.Renew(ctx, req, rsp)
}

func (s source) Deregister(ctx context.Context, req *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	rsp := &discoverypb.DeregisterResponse{}
	return rsp, s.write.Deregister(ctx, req, rsp)
}

func (s source) SetStatus(ctx context.Context, req *discoverypb.SetStatusRequest) (*discoverypb.SetStatusResponse, error) {
	rsp := &discoverypb.SetStatusResponse{}
	return rsp, s.write.SetStatus(ctx, req, rsp)
}

func (source) Age() time.Duration      { return time.Minute }
func (source) Warming() bool           { return true }
func (s source) Preserving() time.Time { return s.since }

func TestReadNode(t *testing.T) {
	known, write := catalog.New(catalog.Options{}), open(t, 0)
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := handler.New(handler.Config{Catalog: known, Source: source{write, since}, Away: func() string { return "no route" }})

	own := register(t, h, "a", nil)
	if got := must[*discoverypb.RenewResponse](t, h, &discoverypb.RenewRequest{LeaseIds: []string{own, "b"}}); len(got.GetUnknownLeaseIds()) != 1 {
		t.Errorf("renew: unknown %q, want b alone", got.GetUnknownLeaseIds())
	}
	drain := &discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", Status: discoverypb.Status_STATUS_DRAINING}
	if got := must[*discoverypb.SetStatusResponse](t, h, drain).GetInstance(); got.GetStatus() != discoverypb.Status_STATUS_DRAINING {
		t.Errorf("status: got %v", got)
	}
	equal(t, "at the write node", []string{"a"}, ids(must[*discoverypb.GetServiceResponse](t, write, &discoverypb.GetServiceRequest{Service: "shop"})))
	refused(t, h, &discoverypb.GetServiceRequest{Service: "shop"}, codes.NotFound, "discovery.not_found", "no such service")
	must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", LeaseId: own})
	refused(t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a"}, codes.NotFound, "discovery.not_found", "no such instance")

	name := catalog.Name{Namespace: "default", Service: "shop"}
	if _, err := known.Put(name, &discoverypb.Instance{Id: "b"}, &discoverypb.Event{Type: discoverypb.Event_TYPE_REGISTERED}); err != nil {
		t.Fatal(err)
	}
	got := must[*discoverypb.GetServiceResponse](t, h, &discoverypb.GetServiceRequest{Service: "shop"})
	s := got.GetState()
	if len(got.GetInstances()) != 1 || s.GetRole() != discoverypb.NodeState_ROLE_READ || !s.GetWarming() || s.GetAway() != "no route" ||
		s.GetAge().AsDuration() != time.Minute || !s.GetPreservingSince().AsTime().Equal(since) || s.GetIndex() != known.Stats().Index {
		t.Errorf("got %v", got)
	}
	must[*discoverypb.ListServicesResponse](t, h, &discoverypb.ListServicesRequest{})
	must[*discoverypb.TimelineResponse](t, h, &discoverypb.TimelineRequest{Service: "shop"})
	watched(t, h)
}

// watched opens a watch, and leaves when it has all.
func watched(t *testing.T, h *handler.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := h.Watch(ctx, &discoverypb.WatchRequest{AllNamespaces: true}, &stream{ctx: ctx, send: func(m *discoverypb.WatchResponse) error {
		if m.GetType() == synced {
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch: %v", err)
	}
}

func TestWriteNode(t *testing.T) {
	known, leases := catalog.New(catalog.Options{}), lease.New(lease.Options{})
	h := handler.New(handler.Config{Catalog: known, Registrar: registrar.New(known, leases, nil, time.Now), Leases: leases, WriteOnly: true})
	register(t, h, "a", nil)
	page := caller.NewContext(t.Context(), &caller.Call{Protocol: caller.Page, Headers: caller.HTTP{}})
	for _, req := range []proto.Message{&discoverypb.GetServiceRequest{Service: "shop"}, &discoverypb.ListServicesRequest{}, &discoverypb.WatchRequest{AllServices: true}} {
		refused(t, h, req, codes.FailedPrecondition, "discovery.write_only", "this node only writes: ask one that reads")
	}
	if _, err := call(page, h, &discoverypb.GetServiceRequest{Service: "shop"}); err != nil {
		t.Errorf("who looks at a page: %v", err)
	}
	must[*discoverypb.TimelineResponse](t, h, &discoverypb.TimelineRequest{Service: "shop"})
	watched(t, h) // as read nodes do
}
