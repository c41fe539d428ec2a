package discoveryserver_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
	"github.com/micro/platform/tests/backends"
)

// patient is how long what should happen within seconds may take.
const patient = 60 * time.Second

// node is a discovery-srv over a registry.
type node struct {
	t *testing.T
	discoverypb.RegistryService
}

func open(t *testing.T, below string) *node {
	t.Helper()
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": below}, discoveryserver.Service())
	c := client.Protobuf(client.ByAddress(nil, slog.New(slog.DiscardHandler), p.Address("discovery-srv")))
	return &node{t, discoverypb.NewRegistryService("discovery-srv", c)}
}

func (n *node) register(service, id string) (lease string) {
	n.t.Helper()
	rsp, err := n.Register(n.t.Context(), &discoverypb.RegisterRequest{
		Service: service, Instance: &discoverypb.Instance{
			Id: id, Address: "127.0.0.1:9000", Version: "1.2.3", Zone: "west", Weight: 7, Metadata: map[string]string{"color": "blue"},
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return rsp.GetLeaseId()
}

// find returns an instance, or nil.
func (n *node) find(service, id string) *discoverypb.Instance {
	n.t.Helper()
	rsp, err := n.GetService(n.t.Context(), &discoverypb.GetServiceRequest{Service: service})
	if e := client.Error(err); e != nil && e.Reason != "discovery.not_found" {
		n.t.Fatal(err)
	}
	for _, i := range rsp.GetInstances() {
		if i.GetId() == id {
			return i
		}
	}
	return nil
}

// await waits until an instance is as it should be.
func (n *node) await(what, service, id string, yes func(*discoverypb.Instance) bool) *discoverypb.Instance {
	n.t.Helper()
	var i *discoverypb.Instance
	eventually(n.t, what, func() bool { i = n.find(service, id); return yes(i) })
	return i
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !yes(); <-tick.C {
		if time.Since(begun) > patient {
			t.Fatalf("not %s after %v", what, patient)
		}
	}
}

func (n *node) status(service, id, lease string, s discoverypb.Status, reason string) {
	n.t.Helper()
	if _, err := n.SetStatus(n.t.Context(), &discoverypb.SetStatusRequest{Service: service, InstanceId: id, LeaseId: lease, Status: s, Reason: reason}); err != nil {
		n.t.Fatal(err)
	}
}

// knows tells whether a registry has a node of a service.
func knows(t *testing.T, r registry.Registry, service, id string) bool {
	t.Helper()
	found, err := r.GetService(service)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	for _, s := range found {
		for _, n := range s.Nodes {
			if n.Id == id {
				return true
			}
		}
	}
	return false
}

// TestPlainApplications: who knows no more than mDNS finds what is registered here while it
// wants calls, and is found here.
func TestPlainApplications(t *testing.T) {
	n := open(t, "mdns:")
	plain := registry.NewMDNSRegistry()
	ours, theirs := "ours-"+uuid.NewString(), "theirs-"+uuid.NewString()
	lease := n.register(ours, "a")
	eventually(t, "found", func() bool { return knows(t, plain, ours, "a") })
	n.status(ours, "a", lease, discoverypb.Status_STATUS_DRAINING, "leaves")
	eventually(t, "drained", func() bool { return !knows(t, plain, ours, "a") })
	n.status(ours, "a", lease, discoverypb.Status_STATUS_UP, "stays")
	eventually(t, "back", func() bool { return knows(t, plain, ours, "a") })
	if _, err := n.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: ours, InstanceId: "a", LeaseId: lease}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { return !knows(t, plain, ours, "a") })

	s := &registry.Service{Name: theirs, Version: "9", Nodes: []*registry.Node{{Id: "b", Address: "127.0.0.1:9001", Metadata: map[string]string{"k": "v"}}}}
	if err := plain.Register(s); err != nil {
		t.Fatal(err)
	}
	i := n.await("seen", theirs, "b", func(i *discoverypb.Instance) bool { return i != nil })
	if i.GetSource() != discoverypb.Source_SOURCE_SEEN || i.GetVersion() != "9" || i.GetMetadata()["k"] != "v" || i.GetStatus() != discoverypb.Status_STATUS_UP {
		t.Errorf("got %v", i)
	}
	n.status(theirs, "b", "", discoverypb.Status_STATUS_OUT_OF_SERVICE, "an operator")
	if _, err := n.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: theirs, InstanceId: "b"}); client.Error(err) == nil || client.Error(err).Reason != "discovery.seen" {
		t.Errorf("deregister what was seen: got %v", err)
	}
	if !knows(t, plain, theirs, "b") {
		t.Error("what was seen is no longer in the registry below")
	}
	if err := plain.Deregister(s); err != nil {
		t.Fatal(err)
	}
	n.await("gone", theirs, "b", func(i *discoverypb.Instance) bool { return i == nil })
}

// TestPeers: two nodes over one registry have the same instances, whoever says what of them.
func TestPeers(t *testing.T) {
	for _, backend := range []string{"etcd", "consul", "nats"} {
		t.Run(backend, func(t *testing.T) {
			below := backends.URL(t, backend).String()
			a, b := open(t, below), open(t, below)
			service := "peers-" + uuid.NewString()
			lease := a.register(service, "i")
			i := b.await("known to the other", service, "i", func(i *discoverypb.Instance) bool { return i != nil })
			if i.GetSource() != discoverypb.Source_SOURCE_PEER || i.GetZone() != "west" || i.GetWeight() != 7 || i.GetMetadata()["color"] != "blue" || len(i.GetMetadata()) != 1 {
				t.Errorf("got %v", i)
			}
			_, err := b.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: service, InstanceId: "i", LeaseId: "made up"})
			if e := client.Error(err); e == nil || e.Reason != "discovery.lease" {
				t.Errorf("deregister at the other node with a lease that was made up: got %v", err)
			}
			b.status(service, "i", lease, discoverypb.Status_STATUS_DRAINING, "leaves")
			a.await("drained by itself where it is registered", service, "i", func(i *discoverypb.Instance) bool {
				return i.GetInstanceStatus() == discoverypb.Status_STATUS_DRAINING && i.GetSource() == discoverypb.Source_SOURCE_LEASE
			})
			b.status(service, "i", lease, discoverypb.Status_STATUS_UP, "")
			a.await("up by itself", service, "i", func(i *discoverypb.Instance) bool { return i.GetStatus() == discoverypb.Status_STATUS_UP })
			b.status(service, "i", "", discoverypb.Status_STATUS_DRAINING, "at the other node")
			drained := func(i *discoverypb.Instance) bool {
				return i.GetStatus() == discoverypb.Status_STATUS_DRAINING && i.GetStatusReason() == "at the other node"
			}
			if i := a.await("drained where it is registered", service, "i", drained); i.GetSource() != discoverypb.Source_SOURCE_LEASE {
				t.Errorf("got %v", i)
			}
			b.await("drained", service, "i", drained)
			b.status(service, "i", "", discoverypb.Status_STATUS_UNSPECIFIED, "")
			a.await("up", service, "i", func(i *discoverypb.Instance) bool { return i.GetStatus() == discoverypb.Status_STATUS_UP })

			b.register(service, "i") // as who has lost the first node does
			a.await("left to the other", service, "i", func(i *discoverypb.Instance) bool { return i.GetSource() == discoverypb.Source_SOURCE_PEER })
			rsp, err := a.Renew(t.Context(), &discoverypb.RenewRequest{LeaseIds: []string{lease}})
			if err != nil || len(rsp.GetUnknownLeaseIds()) != 1 {
				t.Errorf("the first lease: got %v, %v", rsp, err)
			}
			if _, err := b.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: service, InstanceId: "i"}); err != nil {
				t.Fatal(err)
			}
			a.await("gone", service, "i", func(i *discoverypb.Instance) bool { return i == nil })
		})
	}
}
