// Package handler answers the RPCs of Registry.
package handler

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// maxResponse bounds what a response takes, so that it passes the 4 MiB that gRPC clients
// accept.
const maxResponse = 3 << 20

// Source is what a read node follows, and hands calls to that write.
type Source interface {
	Register(context.Context, *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error)
	Renew(context.Context, *discoverypb.RenewRequest) (*discoverypb.RenewResponse, error)
	Deregister(context.Context, *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error)
	SetStatus(context.Context, *discoverypb.SetStatusRequest) (*discoverypb.SetStatusResponse, error)

	// Age is how long ago the source was heard of, 0 while it is.
	Age() time.Duration
	// Warming tells that the source does not know all there may be.
	Warming() bool
	// Preserving is since when the source preserves leases; zero: it does not.
	Preserving() time.Time
}

// Config is fixed when a Handler is made: Registrar and Leases of a write node, or Source of
// a read node.
type Config struct {
	Catalog *catalog.Catalog

	Registrar *registrar.Registrar
	Leases    *lease.Table

	Source Source

	WriteOnly bool // lookups are for read nodes

	Away     func() string // why the registry below, or the source, is not reached
	Progress time.Duration // between messages of a watch; 0: 15 seconds
}

// Handler is the server side of Registry. Its methods may be called at once.
type Handler struct{ conf Config }

var _ discoverypb.RegistryHandler = (*Handler)(nil)

// New returns a handler of a catalog.
func New(c Config) *Handler {
	if c.Progress == 0 {
		c.Progress = 15 * time.Second
	}
	return &Handler{c}
}

// Register implements discoverypb.RegistryHandler.
func (h *Handler) Register(ctx context.Context, req *discoverypb.RegisterRequest, rsp *discoverypb.RegisterResponse) error {
	if s := h.conf.Source; s != nil {
		return hand(ctx, s.Register, req, rsp)
	}
	var c checks
	n, ttl, i := c.service(req), c.ttl(req.GetTtl()), c.instance(req.GetInstance())
	if c.Err != nil {
		return c.Err
	}
	id, kept, err := h.conf.Registrar.Register(ctx, n, i, ttl)
	if err != nil {
		return refusal(err)
	}
	rsp.LeaseId, rsp.Kept = id, kept
	return nil
}

// Renew implements discoverypb.RegistryHandler.
func (h *Handler) Renew(ctx context.Context, req *discoverypb.RenewRequest, rsp *discoverypb.RenewResponse) error {
	if s := h.conf.Source; s != nil {
		return hand(ctx, s.Renew, req, rsp)
	}
	var c checks
	c.Count("lease_ids", len(req.GetLeaseIds()), maxRenew)
	for i, id := range req.GetLeaseIds() {
		c.List, c.Index = "lease_ids", i
		c.Text("", id)
	}
	if c.Err != nil {
		return c.Err
	}
	rsp.UnknownLeaseIds = h.conf.Registrar.Renew(req.GetLeaseIds())
	return nil
}

// Deregister implements discoverypb.RegistryHandler.
func (h *Handler) Deregister(ctx context.Context, req *discoverypb.DeregisterRequest, rsp *discoverypb.DeregisterResponse) error {
	if s := h.conf.Source; s != nil {
		return hand(ctx, s.Deregister, req, rsp)
	}
	var c checks
	id := c.id(req)
	reason := c.Length("reason", req.GetReason(), maxReason)
	if c.Err != nil {
		return c.Err
	}
	return refusal(h.conf.Registrar.Deregister(ctx, id, req.GetLeaseId(), reason))
}

// SetStatus implements discoverypb.RegistryHandler.
func (h *Handler) SetStatus(ctx context.Context, req *discoverypb.SetStatusRequest, rsp *discoverypb.SetStatusResponse) error {
	if s := h.conf.Source; s != nil {
		return hand(ctx, s.SetStatus, req, rsp)
	}
	var c checks
	id, status := c.id(req), c.status("status", req.GetStatus())
	if status == discoverypb.Status_STATUS_UNSPECIFIED && req.GetLeaseId() != "" {
		c.Fail("status", "STATUS_UNSPECIFIED of an instance, want UP, DRAINING or OUT_OF_SERVICE")
	}
	reason := c.Length("reason", req.GetReason(), maxReason)
	if c.Err != nil {
		return c.Err
	}
	i, kept, err := h.conf.Registrar.SetStatus(ctx, id, status, req.GetLeaseId(), reason)
	rsp.Instance, rsp.Kept = i, kept
	return refusal(err)
}

// hand has another node answer.
func hand[Req any, Rsp interface {
	*T
	proto.Message
}, T any](ctx context.Context, call func(context.Context, Req) (Rsp, error), req Req, rsp Rsp) error {
	got, err := call(ctx, req)
	if err != nil {
		return err
	}
	proto.Merge(rsp, got)
	return nil
}

// reads refuses lookups that are for read nodes. Whoever looks at pages may.
func (h *Handler) reads(ctx context.Context) error {
	if c := call.FromContext(ctx); !h.conf.WriteOnly || c != nil && c.Protocol == call.Page {
		return nil
	}
	return rpcerr.New(codes.FailedPrecondition, "discovery.write_only", "this node only writes: ask one that reads")
}

// untilRoom is when who met a full catalog may come back.
const untilRoom = 10 * time.Second

// refusal is what the caller gets for an error of the registrar, nil for nil.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, registrar.ErrNotFound):
		return rpcerr.New(codes.NotFound, "discovery.not_found", "no such instance")
	case errors.Is(err, registrar.ErrLease):
		return rpcerr.New(codes.Aborted, "discovery.lease", "the instance has another lease: it was registered again, or this one has ended")
	case errors.Is(err, registrar.ErrSeen):
		return rpcerr.New(codes.FailedPrecondition, "discovery.seen", "the instance is in the registry below, where its own process has put it")
	case errors.Is(err, catalog.ErrFull):
		return rpcerr.New(codes.ResourceExhausted, "discovery.full", "the node is full, nothing was registered: come back in %v", untilRoom).Retry(untilRoom)
	}
	return err
}

// State is what the node knows of itself.
func (h *Handler) State() *discoverypb.NodeState {
	stats := h.conf.Catalog.Stats()
	s := &discoverypb.NodeState{Role: discoverypb.NodeState_ROLE_WRITE, Watchers: int64(stats.Watches), Index: stats.Index}
	if h.conf.Away != nil {
		s.Away = h.conf.Away()
	}
	var preserving time.Time
	if src := h.conf.Source; src != nil {
		s.Role, s.Warming, preserving = discoverypb.NodeState_ROLE_READ, src.Warming(), src.Preserving()
		if age := src.Age(); age > 0 {
			s.Age = durationpb.New(age)
		}
	} else {
		l := h.conf.Leases.State()
		s.Leases, s.Late, s.Warming, preserving = int64(l.Leases), int64(l.Late), l.Warming, l.Preserving
	}
	if !preserving.IsZero() {
		s.PreservingSince = timestamppb.New(preserving)
	}
	return s
}
