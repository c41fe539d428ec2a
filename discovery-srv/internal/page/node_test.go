package page_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/internal/host"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestPreserving: the pages say so while it lasts, and the figures that it is about.
func TestPreserving(t *testing.T) {
	s := served(t, func(h *host.Host) discoverypb.RegistryHandler {
		w := newWriting(h)
		return handler.New(handler.Config{Catalog: w.known, Registrar: w.write, Leases: w.lease})
	})
	rsp, err := s.registry.Register(t.Context(), &discoverypb.RegisterRequest{
		Service: "shop", Instance: &discoverypb.Instance{Id: "a", Address: "10.0.0.1:80"}, Ttl: durationpb.New(time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	all, list := s.follow(t, ""), s.follow(t, at("service", "shop"))
	all.await(t, "Leases are preserved.")
	all.await(t, "1 late")
	list.await(t, "Leases are preserved.")
	wantHas(t, s.show(t, one("shop", "a")), "Leases are preserved.", "None has ended since")
	for !all.says("<dd>1</dd>") {
		if _, err := s.registry.Renew(t.Context(), &discoverypb.RenewRequest{LeaseIds: []string{rsp.GetLeaseId()}}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-all.read:
		case <-time.After(100 * time.Millisecond):
		}
	}
	if strings.Contains(s.show(t, "").text(), "preserv") {
		t.Error("it is over, and the page does not know")
	}
}

// TestAway: what others have said is shown as what it is.
func TestAway(t *testing.T) {
	var why atomic.Value
	why.Store("")
	s := served(t, func(h *host.Host) discoverypb.RegistryHandler {
		w := newWriting(h)
		return handler.New(handler.Config{Catalog: w.known, Registrar: w.write, Leases: w.lease, Away: func() string { s, _ := why.Load().(string); return s }})
	})
	wantHas(t, s.show(t, ""), "Registry belowreached")
	f := s.follow(t, "")
	f.await(t, "reached</span>")
	why.Store("etcd: \u202e" + script)
	f.await(t, `The registry below is not reached:</strong> <bdi>etcd: <span class="esc">\u202e</span>&lt;script&gt;`)
}

// source is one that a read node has lost for a while.
type source struct{ age time.Duration }

func (s source) Age() time.Duration    { return s.age }
func (s source) Warming() bool         { return true }
func (s source) Preserving() time.Time { return time.Unix(1_700_000_000, 0) }

// TestReadNode: its pages say how old they are, and offer nothing that it cannot do; what
// is sent all the same it refuses.
func TestReadNode(t *testing.T) {
	s := served(t, func(*host.Host) discoverypb.RegistryHandler {
		known := catalog.New(catalog.Options{})
		i := &discoverypb.Instance{Id: "a", Address: "10.0.0.1:80", Status: discoverypb.Status_STATUS_UP, Source: discoverypb.Source_SOURCE_PEER}
		if _, err := known.Put(catalog.Name{Namespace: "default", Service: "shop"}, i, &discoverypb.Event{Type: discoverypb.Event_TYPE_SEEN}); err != nil {
			t.Error(err)
		}
		return handler.New(handler.Config{Catalog: known, Source: source{90 * time.Second}, Away: func() string { return "no route" }})
	})
	for _, at := range []string{"", at("service", "shop"), one("shop", "a")} {
		wantHas(t, s.show(t, at), "The node that this one follows is not reached: no route", "What stands here is 1 min old.", "warming", "None has ended since 2023-11-14 22:13:20 UTC")
	}
	a := s.show(t, "")
	wantHas(t, a, "follows one that keeps leases", "heard of 1 min ago")
	if strings.Contains(a.text(), "Leases0") {
		t.Error("it counts leases, which others have")
	}
	for _, at := range []string{one("shop", "a"), at("deregister", "shop", "instance", "a")} {
		a := s.show(t, at)
		wantHas(t, a, "This node only reads")
		if fields := a.fields(); len(fields) > 0 {
			t.Errorf("%s has a form: %v", at, fields)
		}
	}
	for at, fields := range map[string]map[string]string{
		one("shop", "a"): {"status": "draining"}, at("deregister", "shop", "instance", "a"): {},
	} {
		a := s.send(t, at, fields) // as a form of a write node does
		wantStatus(t, a, http.StatusBadRequest)
		wantHas(t, a, "this node only reads", "discovery.read_only")
	}
	wantHas(t, s.show(t, one("shop", "a")), "another node")
}

// TestSeen: what its own process has put into the registry below is not removed here.
func TestSeen(t *testing.T) {
	s := served(t, func(h *host.Host) discoverypb.RegistryHandler {
		w := newWriting(h)
		i := &discoverypb.Instance{Id: "a", Address: "10.0.0.1:80", Status: discoverypb.Status_STATUS_UP, Source: discoverypb.Source_SOURCE_SEEN}
		if _, err := w.known.Put(catalog.Name{Namespace: "default", Service: "shop"}, i, &discoverypb.Event{Type: discoverypb.Event_TYPE_SEEN}); err != nil {
			t.Error(err)
		}
		return handler.New(handler.Config{Catalog: w.known, Registrar: w.write, Leases: w.lease})
	})
	if rows := s.show(t, "").rows(); rows[0][7] != "1" {
		t.Errorf("the list has %q", rows)
	}
	a := s.show(t, one("shop", "a"))
	wantHas(t, a, "seen in the registry below")
	if to, ok := a.links()["Deregister"]; ok {
		t.Errorf("a link to %s", to)
	}
	ask := s.show(t, at("deregister", "shop", "instance", "a"))
	wantHas(t, ask, "from which it alone removes it")
	wantHas(t, s.send(t, ask.at, nil), "where its own process has put it", "discovery.seen")
	wantStatus(t, s.submit(t, a, map[string]string{"status": "out-of-service"}), http.StatusSeeOther)
	wantHas(t, s.show(t, one("shop", "a")), "out of serviceby an operator")
}
