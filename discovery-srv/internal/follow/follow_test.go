package follow_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/follow"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// patience is more than anything in these tests takes.
const patience = 30 * time.Second

var shop = catalog.Name{Namespace: "default", Service: "shop"}

// writing is a write node that warms for a while, and preserves leases once one is late.
func writing(warming time.Duration) host.Service {
	return host.Service{Name: reach.Service, Start: func(_ context.Context, h *host.Host) error {
		known := catalog.New(catalog.Options{})
		var write *registrar.Registrar
		leases := lease.New(lease.Options{
			Share: 1, Longest: time.Hour, Warming: warming, Changed: func(lease.State) {},
			Ended: func(ctx context.Context, ids []catalog.ID) { write.Ended(ctx, ids) },
		})
		write = registrar.New(known, leases, nil, time.Now)
		h.Go(leases.Run)
		d := handler.New(handler.Config{Catalog: known, Registrar: write, Leases: leases, Progress: 20 * time.Millisecond})
		return discoverypb.RegisterRegistryHandler(h.Server(), d)
	}}
}

// at runs a write node at an address, or at a free one for "", until the test ends.
func at(t *testing.T, address string, warming time.Duration, ids ...string) string {
	t.Helper()
	env := map[string]string{}
	if address != "" {
		env["DISCOVERY_ADDRESS"] = address
	}
	p := hosttest.Run(t, env, writing(warming))
	for _, id := range ids {
		req := request(id)
		if _, err := discoverypb.NewRegistryService(reach.Service, p.Client).Register(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	return p.Address(reach.Service)
}

func request(id string) *discoverypb.RegisterRequest {
	return &discoverypb.RegisterRequest{Service: "shop", Instance: &discoverypb.Instance{Id: id, Address: "10.0.0.1:80"}}
}

// follower follows until its test ends.
type follower struct {
	*follow.Follower

	t       *testing.T
	catalog *catalog.Catalog
}

func following(t *testing.T, addresses ...string) *follower {
	t.Helper()
	return begin(t, catalog.Options{}, time.Hour, addresses...)
}

// begin follows into a catalog, and asks for what found no room again and again.
func begin(t *testing.T, o catalog.Options, again time.Duration, addresses ...string) *follower {
	t.Helper()
	known, log := catalog.New(o), slog.New(slog.DiscardHandler)
	f := &follower{follow.New(known, client.ByAddress(nil, log), addresses, log), t, known}
	f.SetAgain(again)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
	return f
}

func (f *follower) await(what string, yes func() bool) {
	f.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !yes(); <-tick.C {
		if time.Since(begun) > patience {
			f.t.Fatalf("not %s after %v: it knows %q, age %v, away %q", what, patience, f.ids(), f.Age(), f.Away())
		}
	}
}

// ids are the instances that it knows.
func (f *follower) ids() string {
	var all []string
	f.catalog.Instances(shop, "", func(i *discoverypb.Instance) bool {
		all = append(all, i.GetId())
		return true
	})
	return strings.Join(all, " ")
}

func (f *follower) knows(ids string) {
	f.t.Helper()
	f.await("what is at the node: "+ids, func() bool { return f.ids() == ids && f.Age() == 0 && f.Away() == "" })
}

// away awaits that it follows nobody, and says so for longer and longer.
func (f *follower) away(addresses ...string) {
	f.t.Helper()
	f.await("away", func() bool { return f.Age() > 0 && f.Away() != "" })
	first := f.Age()
	f.await("older", func() bool { return f.Age() > first })
	said := false
	for _, a := range addresses {
		said = said || strings.HasPrefix(f.Away(), a+": ")
	}
	if !said {
		f.t.Errorf("away: %q, want which node and why", f.Away())
	}
}

// story is what has happened to an instance, as the follower tells, the first first.
func (f *follower) story(id string) (all []string) {
	events, _ := f.catalog.Timeline(shop, id, 0, 20)
	for _, e := range slices.Backward(events) {
		all = append(all, strings.TrimSpace(e.GetType().String()+" "+e.GetReason()))
	}
	return all
}

// TestNobodyYet: before it has heard of anybody it knows nothing, and says so.
func TestNobodyYet(t *testing.T) {
	const nobody = "127.0.0.1:1"
	f := following(t, nobody)
	f.away(nobody)
	if f.Heard() || !f.Warming() || !f.Preserving().IsZero() {
		t.Errorf("heard %v, warming %v, preserving %v", f.Heard(), f.Warming(), f.Preserving())
	}
}

// TestNextNode follows another node when the first has died, and what that does not know is
// kept until it is warm.
func TestNextNode(t *testing.T) {
	var first, second string
	t.Run("to learn addresses", func(t *testing.T) { first, second = at(t, "", 0), at(t, "", 0) })
	f := following(t, first, second)
	t.Run("the first", func(t *testing.T) {
		at(t, first, 0, "a", "b")
		f.knows("a b")
		if !f.Heard() || f.Warming() {
			t.Errorf("heard %v, warming %v, want heard of one that is warm", f.Heard(), f.Warming())
		}
	})
	f.away(first, second)
	if f.ids() != "a b" || !f.Heard() {
		t.Errorf("without a node it knows %q", f.ids())
	}
	t.Run("the second", func(t *testing.T) {
		at(t, second, time.Hour, "b", "c")
		f.knows("a b c")
		if !f.Warming() {
			t.Error("it does not tell that the node is warming")
		}
	})
	f.away(first, second)
	t.Run("the first again", func(t *testing.T) {
		at(t, first, 0, "c", "d")
		f.knows("c d")
	})
	want := []string{"TYPE_REGISTERED", "TYPE_GONE unknown to the node that is followed"}
	if diff := cmp.Diff(want, f.story("a")); diff != "" {
		t.Errorf("of what is gone (-want +got):\n%s", diff)
	}
}

// TestUnknownIndex: a node that was started again at its address does not know the index, and
// tells all there is.
func TestUnknownIndex(t *testing.T) {
	var address string
	t.Run("to learn an address", func(t *testing.T) { address = at(t, "", 0) })
	f := following(t, address)
	for _, ids := range []string{"a", "b", "b c", "a"} {
		t.Run(ids, func(t *testing.T) {
			at(t, address, 0, strings.Fields(ids)...)
			f.knows(ids)
		})
		f.away(address)
	}
}

// TestForward hands on what is to be written, and the answers as they are.
func TestForward(t *testing.T) {
	f := following(t, at(t, "", 0))
	f.knows("")
	own, err := f.Register(t.Context(), request("a"))
	if err != nil || own.GetLeaseId() == "" {
		t.Fatalf("register: %v, %v", own, err)
	}
	f.knows("a")
	if rsp, err := f.Renew(t.Context(), &discoverypb.RenewRequest{LeaseIds: []string{own.GetLeaseId(), "made up"}}); err != nil || cmp.Diff([]string{"made up"}, rsp.GetUnknownLeaseIds()) != "" {
		t.Errorf("renew: %v, %v", rsp, err)
	}
	_, err = f.SetStatus(t.Context(), &discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", Status: discoverypb.Status_STATUS_DRAINING, LeaseId: "made up"})
	if e := rpcerr.From(err); e == nil || e.Code != codes.Aborted || e.Reason != "discovery.lease" {
		t.Errorf("with a lease that was made up: %v", err)
	}
	if _, err := f.SetStatus(t.Context(), &discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", Status: discoverypb.Status_STATUS_DRAINING, Reason: "a deploy"}); err != nil {
		t.Error(err)
	}
	if _, err := f.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", Reason: "gone home"}); err != nil {
		t.Error(err)
	}
	f.await("all that became of it", func() bool { return len(f.story("a")) >= 2 && f.ids() == "" })
	if all := f.story("a"); all[len(all)-1] != "TYPE_DEREGISTERED gone home" {
		t.Errorf("it tells %q", all)
	}
}

// TestPreserving tells since when the node preserves leases.
func TestPreserving(t *testing.T) {
	f := following(t, at(t, "", 0))
	req := request("a")
	req.Ttl = durationpb.New(time.Second)
	if _, err := f.Register(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	f.await("preserving", func() bool { return time.Since(f.Preserving()) < patience })
	f.knows("a")
}
