package discoveryclient_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// moody refuses some renewals.
type moody struct {
	discoverypb.RegistryHandler

	refused, renewed atomic.Int64
}

func (*moody) Register(_ context.Context, _ *discoverypb.RegisterRequest, rsp *discoverypb.RegisterResponse) error {
	rsp.LeaseId = "lease"
	return nil
}

func (m *moody) Renew(context.Context, *discoverypb.RenewRequest, *discoverypb.RenewResponse) error {
	if m.refused.Add(-1) >= 0 {
		return rpcerr.New(codes.Unavailable, "away", "come back")
	}
	m.renewed.Add(1)
	return nil
}

// TestRenewedInTime: a renewal that fails is tried again before it is time for the next one,
// so a lease outlives a node that is away for more than a third of it.
func TestRenewedInTime(t *testing.T) {
	m := &moody{}
	m.refused.Store(6) // of which each turn makes two
	p := hosttest.Run(t, nil, host.Service{Name: discoveryclient.Service, Start: func(_ context.Context, h *host.Host) error {
		return discoverypb.RegisterRegistryHandler(h.Server(), m)
	}})
	r := discoveryclient.NewRegistry(p.Address(discoveryclient.Service))
	defer r.Close()
	const ttl = 9 * time.Second
	begun := time.Now()
	register(t, r, "s", "", ttl)
	eventually(t, "renewal", func() bool { return m.renewed.Load() > 0 })
	if took := time.Since(begun); took > ttl {
		t.Errorf("the lease ended before it was renewed, after %v", took)
	}
}

// alone is a node that reads, and has not heard of its source for an hour.
type alone struct{ discoverypb.RegistryHandler }

func (alone) Watch(ctx context.Context, _ *discoverypb.WatchRequest, stream discoverypb.Registry_WatchStream) error {
	state := &discoverypb.NodeState{Age: durationpb.New(time.Hour)}
	for _, m := range []*discoverypb.WatchResponse{
		{Type: discoverypb.WatchResponse_TYPE_SNAPSHOT, State: state},
		{Type: discoverypb.WatchResponse_TYPE_SYNCED, State: state, Index: 7},
	} {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestAgeOfNode: what a node has not heard of for an hour is an hour old.
func TestAgeOfNode(t *testing.T) {
	p := hosttest.Run(t, nil, host.Service{Name: discoveryclient.Service, Start: func(_ context.Context, h *host.Host) error {
		return discoverypb.RegisterRegistryHandler(h.Server(), alone{})
	}})
	r := discoveryclient.NewRegistry(p.Address(discoveryclient.Service))
	defer r.Close()
	if _, err := r.ListServices(); err != nil {
		t.Fatal(err)
	}
	if got := r.Age(); got < time.Hour || got > 2*time.Hour {
		t.Errorf("what is known is %v old, want an hour", got)
	}
}

// TestReaderAway: that one node leaves lookups to others, of which none is there, is no
// answer, and ends no watch.
func TestReaderAway(t *testing.T) {
	p := node(t, "write", "")
	d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(p.Address(discoveryclient.Service), "127.0.0.1:1"))
	if _, err := d.GetService(t.Context(), "s"); !errors.Is(err, discoveryclient.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var last error
	for _, err := range d.Watch(ctx, "s") {
		last = err
	}
	if errors.Is(last, discoveryclient.ErrWriteOnly) || last == nil {
		t.Errorf("the watch has ended with %v, want it to go on until its time is over", last)
	}
}
