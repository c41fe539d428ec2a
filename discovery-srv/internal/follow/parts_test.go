package follow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// slow is a node that is warm, and tells a snapshot in two parts, the second when it may.
type slow struct {
	discoverypb.RegistryHandler

	goOn chan struct{}
}

func (s *slow) Watch(ctx context.Context, _ *discoverypb.WatchRequest, stream discoverypb.Registry_WatchStream) error {
	part := func(kind discoverypb.WatchResponse_Type, id string, index uint64) error {
		m := &discoverypb.WatchResponse{Type: kind, Index: index, State: &discoverypb.NodeState{}}
		if id != "" {
			i := &discoverypb.Instance{Id: id, Address: "10.0.0.1:80"}
			m.Changes = []*discoverypb.ServiceChange{{Namespace: shop.Namespace, Service: shop.Service, Instances: []*discoverypb.Instance{i}}}
		}
		return stream.Send(m)
	}
	if err := part(discoverypb.WatchResponse_TYPE_SNAPSHOT, "a", 0); err != nil {
		return err
	}
	select {
	case <-s.goOn:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := part(discoverypb.WatchResponse_TYPE_SNAPSHOT, "b", 0); err != nil {
		return err
	}
	if err := part(discoverypb.WatchResponse_TYPE_SYNCED, "", 7); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestParts: with a part of a snapshot, the node that follows knows nothing yet, and says so.
func TestParts(t *testing.T) {
	s := &slow{goOn: make(chan struct{})}
	p := hosttest.Run(t, nil, host.Service{Name: reach.Service, Start: func(_ context.Context, h *host.Host) error {
		return discoverypb.RegisterRegistryHandler(h.Server(), s)
	}})
	f := following(t, p.Address(reach.Service))
	for begun := time.Now(); time.Since(begun) < 200*time.Millisecond; time.Sleep(time.Millisecond) {
		if f.Heard() || !f.Warming() || f.ids() != "" {
			t.Fatalf("of a part: heard %v, warming %v, it knows %q", f.Heard(), f.Warming(), f.ids())
		}
	}
	close(s.goOn)
	f.knows("a b")
	if !f.Heard() || f.Warming() {
		t.Errorf("of all: heard %v, warming %v", f.Heard(), f.Warming())
	}
}

// TestRoom: what has found no room is asked for again, and the follower no longer says that
// it lacks something once it does not.
func TestRoom(t *testing.T) {
	source := at(t, "", 0)
	f := begin(t, catalog.Options{MaxBytes: 4000}, 20*time.Millisecond, source)
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("%02d", i))
		if _, err := f.Register(t.Context(), request(ids[i])); err != nil {
			t.Fatal(err)
		}
	}
	f.await("full", func() bool { return strings.Contains(f.Away(), "does not have all") && f.ids() != "" })
	for _, id := range ids[:18] {
		if _, err := f.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: "shop", InstanceId: id}); err != nil {
			t.Fatal(err)
		}
	}
	f.knows("18 19")
}
