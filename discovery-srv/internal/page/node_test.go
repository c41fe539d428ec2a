package page_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryserver"
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
	if a := s.show(t, ""); strings.Contains(a.text(), "reached") {
		t.Errorf("nothing is away, and the page says:\n%s", a.text())
	}
	f := s.follow(t, "")
	f.await(t, "keeps leases")
	why.Store("etcd: \u202e" + script)
	f.await(t, `The registry below is not reached:</strong> <bdi>etcd: <span class="esc">\u202e</span>&lt;script&gt;`)
}

// TestReadNode: its pages show what its source has and have that do what is sent, and once
// the source is gone say how old they are.
func TestReadNode(t *testing.T) {
	var s *site
	var f *follower
	there := t.Run("with its source", func(inner *testing.T) {
		w := open(inner)
		for _, id := range []string{"a", "b"} {
			w.register(inner, "shop", &discoverypb.Instance{Id: id})
		}
		source := strings.Trim(strings.TrimPrefix(w.base, "http://"), "/")
		s = of(t, map[string]string{"DISCOVERY_ROLE": "read", "DISCOVERY_SOURCE": source}, discoveryserver.Service())
		f = s.follow(t, "")
		f.await(inner, "up to date")
		a := s.show(inner, "")
		wantHas(inner, a, "follows one that keeps leases", "Sourcereached", "shop")
		if strings.Contains(a.text(), "Leases") {
			inner.Error("it counts leases, which others have")
		}
		here := s.follow(inner, one("shop", "a"))
		wantStatus(inner, s.submit(inner, s.show(inner, one("shop", "a")), map[string]string{"reason": "a new disk"}), http.StatusSeeOther)
		here.await(inner, "a new disk")
		if got := w.instance(inner, "shop", "a"); got.GetOperatorStatus() != discoverypb.Status_STATUS_DRAINING {
			inner.Errorf("the source has %v", got)
		}
		wantStatus(inner, s.submit(inner, s.show(inner, at("deregister", "shop", "instance", "a")), nil), http.StatusSeeOther)
		here.await(inner, "It is not here")
	})
	if !there {
		return
	}
	f.await(t, "The node that this one follows is not reached:")
	f.await(t, "heard of ")
	for _, at := range []string{at("service", "shop"), one("shop", "b"), at("deregister", "shop", "instance", "b")} {
		wantHas(t, s.show(t, at), "The node that this one follows is not reached:", "What stands here is")
	}
	late := s.submit(t, s.show(t, one("shop", "b")), nil)
	wantStatus(t, late, http.StatusServiceUnavailable)
	if got := late.fields()["status"]; got != "draining" {
		t.Errorf("the form has lost what was sent: %q", got)
	}
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

// TestWriteNode: a node that leaves lookups to others has pages all the same.
func TestWriteNode(t *testing.T) {
	s := of(t, map[string]string{"DISCOVERY_ROLE": "write", "DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	list, here := s.follow(t, at("service", "shop")), s.follow(t, one("shop", "a"))
	wantStatus(t, s.submit(t, s.show(t, one("shop", "a")), map[string]string{"reason": "a new disk"}), http.StatusSeeOther)
	list.await(t, "a new disk")
	here.await(t, "a new disk")
	wantHas(t, s.show(t, ""), "shop")
}
