package discoveryclient_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

func settings() map[string]string { return map[string]string{"DISCOVERY_REGISTRY": "memory:"} }

func begin(t *testing.T) *hosttest.Platform {
	t.Helper()
	return hosttest.Run(t, settings(), discoveryserver.Service())
}

// processes registers instances, as their processes do.
type processes struct {
	t   *testing.T
	rpc discoverypb.RegistryService
}

func of(t *testing.T, p *hosttest.Platform) processes {
	return processes{t, discoverypb.NewRegistryService(discoveryclient.Service, p.Client)}
}

// up registers an instance and returns its lease.
func (r processes) up(service, id string, with ...func(*discoverypb.RegisterRequest)) string {
	r.t.Helper()
	req := &discoverypb.RegisterRequest{Service: service, Instance: &discoverypb.Instance{Id: id, Address: "10.0.0.7:80"}}
	for _, w := range with {
		w(req)
	}
	rsp, err := r.rpc.Register(r.t.Context(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	return rsp.GetLeaseId()
}

func namespace(n string) func(*discoverypb.RegisterRequest) {
	return func(r *discoverypb.RegisterRequest) { r.Namespace = n }
}

func at(version, zone string) func(*discoverypb.RegisterRequest) {
	return func(r *discoverypb.RegisterRequest) { r.Instance.Version, r.Instance.Zone = version, zone }
}

// all returns what is yielded, up to an error.
func all[T any](t *testing.T, seq iter.Seq2[T, error]) (got []T) {
	t.Helper()
	for one, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	return got
}

func ids(all []discoveryclient.Instance) string {
	var words []string
	for _, i := range all {
		words = append(words, i.ID)
	}
	return strings.Join(words, " ")
}

// TestInstance: what an instance says of itself, and what the node adds, arrives.
func TestInstance(t *testing.T) {
	p := begin(t)
	begin := time.Now()
	of(t, p).up("greeter", "a", func(r *discoverypb.RegisterRequest) {
		r.Ttl = durationpb.New(time.Minute)
		r.Instance = &discoverypb.Instance{
			Id: "a", Address: "10.0.0.7:80", Version: "2", Zone: "west", Weight: 50,
			Metadata: map[string]string{"protocol": "grpc"}, ServiceMetadata: map[string]string{"team": "x"},
			Endpoints: []*discoverypb.Endpoint{{
				Name: "Greeter.Hello", Metadata: map[string]string{"stream": "true"},
				Request: &discoverypb.Value{Name: "Request", Type: "Request", Values: []*discoverypb.Value{{Name: "name", Type: "string"}}},
			}},
			InstanceStatus: discoverypb.Status_STATUS_DRAINING, StatusReason: "stops",
		}
	})
	var node discoveryclient.Node
	got, err := discoveryclient.New(p.Client).GetService(t.Context(), "greeter", discoveryclient.SaveNode(&node))
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for what, at := range map[string]time.Time{"registered": got[0].Registered, "updated": got[0].Updated} {
		if at.Before(begin.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("%s at %v", what, at)
		}
	}
	want := discoveryclient.Instance{
		ID: "a", Address: "10.0.0.7:80", Version: "2", Zone: "west", Weight: 50,
		Metadata: map[string]string{"protocol": "grpc"}, ServiceMetadata: map[string]string{"team": "x"},
		Endpoints: []discoveryclient.Endpoint{{
			Name: "Greeter.Hello", Metadata: map[string]string{"stream": "true"},
			Request: &discoveryclient.Value{Name: "Request", Type: "Request", Values: []*discoveryclient.Value{{Name: "name", Type: "string"}}},
		}},
		Status: discoveryclient.StatusDraining, InstanceStatus: discoveryclient.StatusDraining, StatusReason: "stops",
		Source: discoveryclient.SourceLease, TTL: time.Minute, Registered: got[0].Registered, Updated: got[0].Updated,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (discoveryclient.Node{Role: discoveryclient.RoleWrite, Warming: true, Leases: 1}); node != want {
		t.Errorf("the node is %+v, want %+v", node, want)
	}
	if node, err = discoveryclient.New(p.Client).Node(t.Context()); err != nil || node.Leases != 1 {
		t.Errorf("the node is %+v, %v", node, err)
	}
}

func TestFilters(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	r.up("s", "a", at("1", "west"))
	r.up("s", "b", at("2", "west"))
	r.up("s", "c", at("2", "east"), func(r *discoverypb.RegisterRequest) { r.Instance.Metadata = map[string]string{"k": "v", "l": "w"} })
	d := discoveryclient.New(p.Client)
	if _, _, err := d.Drain(t.Context(), "s", "b", ""); err != nil {
		t.Fatal(err)
	}
	for want, opts := range map[string][]discoveryclient.GetOption{
		"a b c": nil,
		"a b":   {discoveryclient.WithZones("west", "north")},
		"b c":   {discoveryclient.WithVersions("2")},
		"a c":   {discoveryclient.WithInstances("c", "a", "x")},
		"c":     {discoveryclient.WithMetadata(map[string]string{"k": "v"})},
		"b":     {discoveryclient.WithZones("west"), discoveryclient.WithStatuses(discoveryclient.StatusDraining, discoveryclient.StatusOutOfService)},
		"":      {discoveryclient.WithMetadata(map[string]string{"k": "w"})},
	} {
		if got, err := d.GetService(t.Context(), "s", opts...); err != nil || ids(got) != want {
			t.Errorf("got %q, %v, want %q", ids(got), err, want)
		}
	}
}

// TestPages reads more than a page of each list.
func TestPages(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	const many = 1100
	for i := range many {
		r.up("many", fmt.Sprintf("%04d", i))
		r.up(fmt.Sprintf("s-%04d", i), "a")
	}
	d := discoveryclient.New(p.Client)
	instances, err := d.GetService(t.Context(), "many")
	if err != nil || len(instances) != many || instances[many-1].ID != "1099" {
		t.Errorf("got %d instances, %v", len(instances), err)
	}
	services := all(t, d.Services(t.Context(), "s-"))
	if len(services) != many || services[many-1].Service != "s-1099" {
		t.Errorf("got %d services", len(services))
	}
	if events := all(t, d.Timeline(t.Context(), "many", "")); len(events) != many || events[0].InstanceID != "1099" {
		t.Errorf("got %d events, the first of %s", len(events), events[0].InstanceID)
	}
	for s, err := range d.Services(t.Context(), "") { // leaving the loop is fine
		if err != nil || s.Service != "many" {
			t.Errorf("got %+v, %v", s, err)
		}
		break
	}
}

func TestServices(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	r.up("api", "a", at("1", "west"))
	r.up("api", "b", at("2", "east"))
	r.up("web", "a")
	r.up("api", "z", namespace("other"), at("3", ""))
	d := discoveryclient.New(p.Client)
	if _, _, err := d.SetStatus(t.Context(), "api", "a", discoveryclient.StatusOutOfService, "broken disk"); err != nil {
		t.Fatal(err)
	}
	var node discoveryclient.Node
	got := all(t, d.Services(t.Context(), "a", discoveryclient.SaveNode(&node)))
	if len(got) != 1 || time.Since(got[0].Updated) > time.Minute || node.Leases != 4 {
		t.Fatalf("got %+v from %+v", got, node)
	}
	want := discoveryclient.Summary{
		Namespace: "default", Service: "api", Versions: []string{"1", "2"}, Zones: []string{"east", "west"},
		Up: 1, OutOfService: 1, Updated: got[0].Updated,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, s := range all(t, d.Services(t.Context(), "", discoveryclient.AllNamespaces())) {
		names = append(names, s.Namespace+"/"+s.Service)
	}
	if diff := cmp.Diff([]string{"default/api", "default/web", "other/api"}, names); diff != "" {
		t.Errorf("of all namespaces (-want +got):\n%s", diff)
	}
	other := discoveryclient.New(p.Client, discoveryclient.WithNamespace("other"))
	if got, err := other.GetService(t.Context(), "api"); err != nil || ids(got) != "z" {
		t.Errorf("in the other namespace: got %q, %v", ids(got), err)
	}
}

// TestOperator: what an operator says counts before what the instance says, until it is
// taken back, and the timeline tells.
func TestOperator(t *testing.T) {
	p := begin(t)
	of(t, p).up("s", "a")
	d := discoveryclient.New(p.Client)
	i, kept, err := d.Drain(t.Context(), "s", "a", "deploy 42")
	if err != nil || kept || i.Status != discoveryclient.StatusDraining || i.OperatorStatus != discoveryclient.StatusDraining ||
		i.InstanceStatus != discoveryclient.StatusUp || i.StatusReason != "deploy 42" {
		t.Errorf("drained: got %+v, kept %v, %v", i, kept, err)
	}
	if i, _, err = d.Undrain(t.Context(), "s", "a", ""); err != nil || i.Status != discoveryclient.StatusUp || i.OperatorStatus != discoveryclient.StatusNone || i.StatusReason != "" {
		t.Errorf("undrained: got %+v, %v", i, err)
	}
	if err := d.Deregister(t.Context(), "s", "a", "a ghost"); err != nil {
		t.Error(err)
	}
	var got []string
	for _, e := range all(t, d.Timeline(t.Context(), "s", "a")) {
		if e.Time.IsZero() || e.InstanceID != "a" || e.Address != "10.0.0.7:80" {
			t.Errorf("got %+v", e)
		}
		got = append(got, fmt.Sprintf("%v %v %s", e.Type, e.Status, e.Reason))
	}
	want := []string{"deregistered up a ghost", "status up operator", "status draining operator: deploy 42", "registered up "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

// TestAddresses: an address that answers nothing is left for the next one, by each call.
func TestAddresses(t *testing.T) {
	p := begin(t)
	of(t, p).up("s", "a")
	live := p.Address(discoveryclient.Service)
	const nobody = "127.0.0.1:1"
	for _, addresses := range [][]string{{live}, {nobody, live}, {nobody, nobody, live, nobody}} {
		d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(addresses...))
		for range 2 {
			if got, err := d.GetService(t.Context(), "s"); err != nil || ids(got) != "a" {
				t.Errorf("%q: got %q, %v", addresses, ids(got), err)
			}
		}
	}
}
