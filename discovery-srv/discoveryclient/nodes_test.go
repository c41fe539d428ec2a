package discoveryclient_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

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

// node runs the service in a role.
func node(t *testing.T, role, source string) *hosttest.Platform {
	t.Helper()
	env := settings()
	env["DISCOVERY_ROLE"], env["DISCOVERY_SOURCE"] = role, source
	return hosttest.Run(t, env, discoveryserver.Service())
}

// heard waits until a node that reads has heard of an instance.
func heard(t *testing.T, p *hosttest.Platform, service string) {
	t.Helper()
	for d := discoveryclient.New(p.Client); ; {
		_, err := d.GetService(t.Context(), service)
		if err == nil {
			return
		}
		if !errors.Is(err, discoveryclient.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

// TestRoles: a lookup that a node leaves to others is done there, and one that reads hands
// on what is to be written.
func TestRoles(t *testing.T) {
	write := node(t, "write", "")
	of(t, write).up("s", "a")
	writes := write.Address(discoveryclient.Service)
	onlyWrites := discoveryclient.WithAddress(writes, writes)
	for _, d := range []*discoveryclient.Client{discoveryclient.New(write.Client), discoveryclient.New(client.NewClient(), onlyWrites)} {
		if _, err := d.GetService(t.Context(), "s"); !errors.Is(err, discoveryclient.ErrWriteOnly) {
			t.Errorf("got %v, want ErrWriteOnly", err)
		}
		if err := firstOf(d.Watch(t.Context(), "s")); !errors.Is(err, discoveryclient.ErrWriteOnly) {
			t.Errorf("a watch: got %v, want ErrWriteOnly", err)
		}
	}
	read := node(t, "read", writes)
	heard(t, read, "s")
	both := func() *discoveryclient.Client {
		return discoveryclient.New(client.NewClient(), onlyWrites, discoveryclient.WithAddress(read.Address(discoveryclient.Service)))
	}
	w := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return both().Watch(ctx, "s") })
	w.want("added default/s a up", "synced warming=true")
	if _, _, err := discoveryclient.New(read.Client).Drain(t.Context(), "s", "a", ""); err != nil {
		t.Error(err)
	}
	w.want("updated default/s a up -> draining")
	if got, err := both().GetService(t.Context(), "s"); err != nil || ids(got) != "a" {
		t.Errorf("got %q, %v", ids(got), err)
	}
	if n, err := both().Node(t.Context()); err != nil || n.Role != discoveryclient.RoleRead || n.Age != 0 {
		t.Errorf("got %+v, %v", n, err)
	}
}

// TestReadNodeAlone: it tells how old its answers are, and why.
func TestReadNodeAlone(t *testing.T) {
	var address string
	var read *hosttest.Platform
	t.Run("while its source runs", func(inner *testing.T) {
		write := node(inner, "all", "")
		of(inner, write).up("s", "a")
		address = write.Address(discoveryclient.Service)
		read = node(t, "read", address)
		heard(inner, read, "s")
	})
	d := discoveryclient.New(read.Client)
	for {
		var n discoveryclient.Node
		got, err := d.GetService(t.Context(), "s", discoveryclient.SaveNode(&n))
		if err != nil || ids(got) != "a" {
			t.Fatalf("got %q, %v", ids(got), err)
		}
		if n.Age > 0 && n.Away != "" {
			return
		}
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
