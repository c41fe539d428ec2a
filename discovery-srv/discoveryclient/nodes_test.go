package discoveryclient_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// source is that of a read node that has not heard of it for a while.
type source struct{ age time.Duration }

func (s source) Age() time.Duration  { return s.age }
func (source) Warming() bool         { return false }
func (source) Preserving() time.Time { return time.Time{} }

// readNode is a node that does not write.
func readNode(s source) host.Service {
	return host.Service{Name: discoveryclient.Service, Start: func(_ context.Context, h *host.Host) error {
		d := handler.New(handler.Config{
			Catalog: catalog.New(catalog.Options{}), Source: s, Away: func() string { return "10.0.0.1:8104: connection refused" },
		})
		return discoverypb.RegisterRegistryHandler(h.Server(), d)
	}}
}

// writeNode is a node that warms for a while of its own, speaks often, and has seen an
// instance, s/seen.
func writeNode(warming time.Duration) host.Service {
	return host.Service{Name: discoveryclient.Service, Start: func(_ context.Context, h *host.Host) error {
		known := catalog.New(catalog.Options{})
		seen := &discoverypb.Instance{Id: "seen", Address: "10.0.0.8:80", Status: discoverypb.Status_STATUS_UP, Source: discoverypb.Source_SOURCE_SEEN}
		if _, err := known.Put(catalog.Name{Namespace: "default", Service: "s"}, seen, &discoverypb.Event{Type: discoverypb.Event_TYPE_SEEN}); err != nil {
			return err
		}
		var write *registrar.Registrar
		leases := lease.New(lease.Options{
			Share: 0.85, Few: 10, Longest: time.Minute, Warming: warming,
			Ended:   func(ctx context.Context, ids []catalog.ID) { write.Ended(ctx, ids) },
			Changed: func(lease.State) {},
		})
		write = registrar.New(known, leases, nil, time.Now)
		h.Go(leases.Run)
		d := handler.New(handler.Config{Catalog: known, Registrar: write, Leases: leases, Progress: 20 * time.Millisecond})
		return discoverypb.RegisterRegistryHandler(h.Server(), d)
	}}
}

// TestReadNode: what a node refuses that reads is done by one that writes.
func TestReadNode(t *testing.T) {
	read := hosttest.Run(t, nil, readNode(source{time.Minute}))
	alone := discoveryclient.New(read.Client)
	node, err := alone.Node(t.Context())
	if want := (discoveryclient.Node{Role: discoveryclient.RoleRead, Age: time.Minute, Away: "10.0.0.1:8104: connection refused"}); err != nil || node != want {
		t.Errorf("got %+v, %v, want %+v", node, err, want)
	}
	readers := discoveryclient.WithAddress(read.Address(discoveryclient.Service), read.Address(discoveryclient.Service))
	for _, d := range []*discoveryclient.Client{alone, discoveryclient.New(client.NewClient(), readers)} {
		if _, _, err := d.Drain(t.Context(), "s", "a", ""); !errors.Is(err, discoveryclient.ErrReadOnly) {
			t.Errorf("got %v, want ErrReadOnly", err)
		}
	}
	write := run(t)
	of(t, write).up("s", "a")
	d := discoveryclient.New(client.NewClient(), readers, discoveryclient.WithAddress(write.Address(discoveryclient.Service)))
	if i, _, err := d.Drain(t.Context(), "s", "a", ""); err != nil || i.Status != discoveryclient.StatusDraining {
		t.Errorf("got %+v, %v", i, err)
	}
	d = discoveryclient.New(client.NewClient(), readers, discoveryclient.WithAddress(write.Address(discoveryclient.Service)))
	if err := d.Deregister(t.Context(), "s", "a", ""); err != nil {
		t.Error(err)
	}
}

// TestSeen: what others have put into the registry below stays, and takes a status.
func TestSeen(t *testing.T) {
	d := discoveryclient.New(hosttest.Run(t, nil, writeNode(0)).Client)
	if err := d.Deregister(t.Context(), "s", "seen", ""); !errors.Is(err, discoveryclient.ErrSeen) {
		t.Errorf("got %v, want ErrSeen", err)
	}
	i, _, err := d.Drain(t.Context(), "s", "seen", "")
	if err != nil || i.Source != discoveryclient.SourceSeen || i.Status != discoveryclient.StatusDraining || i.TTL != 0 {
		t.Errorf("got %+v, %v", i, err)
	}
	if s := all(t, d.Services(t.Context(), "")); len(s) != 1 || s[0].Seen != 1 || s[0].Draining != 1 {
		t.Errorf("got %+v", s)
	}
}
