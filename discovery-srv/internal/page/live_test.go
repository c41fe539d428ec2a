package page_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/page"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

func TestLive(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	all, few := s.follow(t, ""), s.follow(t, "?namespace=staging")
	list, here, story := s.follow(t, at("service", "shop")), s.follow(t, one("shop", "a")), s.follow(t, at("timeline", "shop"))
	all.await(t, "shop</bdi>")
	few.await(t, "No such services")
	list.await(t, "a</bdi>")
	here.await(t, "10.0.0.1:8080")
	story.await(t, "registered")

	s.registerIn(t, "staging", "store", &discoverypb.Instance{Id: "x"})
	all.await(t, "store</bdi>")
	few.await(t, "store</bdi>")

	if _, err := s.registry.SetStatus(t.Context(), &discoverypb.SetStatusRequest{
		Service: "shop", InstanceId: "a", Status: discoverypb.Status_STATUS_DRAINING, Reason: "a new disk",
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*follower{list, here, story} {
		f.await(t, "a new disk")
	}
	if _, err := s.registry.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a"}); err != nil {
		t.Fatal(err)
	}
	list.await(t, "No instances")
	here.await(t, "It is not here")
	story.await(t, "deregistered")

	if _, err := s.registry.Register(t.Context(), &discoverypb.RegisterRequest{
		Service: "shop", Instance: &discoverypb.Instance{Id: "a", Address: "10.9.9.9:1"}, Ttl: durationpb.New(time.Second),
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*follower{list, here, story} {
		f.await(t, "10.9.9.9:1")
	}
	list.await(t, "No instances")
	here.await(t, "no renewal for 1s")
	story.await(t, "lost")
}

// late is a Registry whose watches begin when a test says so.
type late struct {
	discoverypb.RegistryHandler

	asked chan struct{} // gets one when a watch is asked for
	begin chan struct{}
}

func (l *late) Watch(ctx context.Context, req *discoverypb.WatchRequest, st discoverypb.Registry_WatchStream) error {
	l.asked <- struct{}{}
	select {
	case <-l.begin:
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.RegistryHandler.Watch(ctx, req, st)
}

// served is a discovery-srv that a test has assembled.
func served(t *testing.T, r func(*host.Host) discoverypb.RegistryHandler) *site {
	t.Helper()
	return of(t, nil, host.Service{Name: "discovery-srv", Start: func(_ context.Context, h *host.Host) error {
		c, err := page.Config()
		if err == nil {
			_, err = h.Pages(c)
		}
		return errors.Join(err, discoverypb.RegisterRegistryHandler(h.Server(), r(h)))
	}})
}

// writing is the parts of a write node.
type writing struct {
	known *catalog.Catalog
	write *registrar.Registrar
	lease *lease.Table
}

// newWriting preserves leases as soon as one is late.
func newWriting(h *host.Host) writing {
	w := writing{known: catalog.New(catalog.Options{})}
	w.lease = lease.New(lease.Options{
		Share: 1, Longest: time.Hour, Changed: func(lease.State) {},
		Ended: func(ctx context.Context, ids []catalog.ID) { w.write.Ended(ctx, ids) },
	})
	w.write = registrar.New(w.known, w.lease, nil, time.Now)
	h.Go(w.lease.Run)
	return w
}

// TestChangeBeforeWatch: what changes after a page was shown and before its watch begins
// is shown, too.
func TestChangeBeforeWatch(t *testing.T) {
	l := &late{asked: make(chan struct{}, 1), begin: make(chan struct{})}
	s := served(t, func(h *host.Host) discoverypb.RegistryHandler {
		w := newWriting(h)
		l.RegistryHandler = handler.New(handler.Config{Catalog: w.known, Registrar: w.write, Leases: w.lease})
		return l
	})
	s.register(t, "shop", &discoverypb.Instance{Id: "a", Version: "1.0"})
	f := s.follow(t, one("shop", "a"))
	f.await(t, "1.0")
	<-l.asked
	s.register(t, "shop", &discoverypb.Instance{Id: "a", Version: "1.1"})
	close(l.begin)
	f.await(t, "1.1")
}

// TestViewersLeave: a page that nobody looks at costs nothing.
func TestViewersLeave(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	// A connection of its own, and all that begins with the first watch.
	f := s.follow(t, one("shop", "a"))
	f.await(t, "event: live")
	before := goleak.IgnoreCurrent()
	var all []*follower
	for _, at := range []string{"", "?prefix=s", at("service", "shop"), one("shop", "b"), at("timeline", "shop")} {
		for range 3 {
			all = append(all, s.follow(t, at))
		}
	}
	s.register(t, "shop", &discoverypb.Instance{Id: "b"})
	for _, f := range all {
		f.leave()
	}
	goleak.VerifyNone(t, hosttest.Leftovers(before,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))...)
}
