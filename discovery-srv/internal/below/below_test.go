package below_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/below"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// patience is more than anything in these tests takes.
const patience = 30 * time.Second

var (
	one   = catalog.ID{Name: catalog.Name{Namespace: "default", Service: "shop"}, Instance: "one"}
	other = catalog.ID{Name: catalog.Name{Namespace: "other", Service: "shop"}, Instance: "one"}
)

// cut is a registry that can be cut off.
type cut struct {
	registry.Registry

	off     atomic.Bool
	refused atomic.Int64 // registrations meanwhile
}

var errCut = errors.New("it is cut off")

func (c *cut) Register(s *registry.Service, opts ...registry.RegisterOption) error {
	if c.off.Load() {
		c.refused.Add(1)
		return errCut
	}
	return c.Registry.Register(s, opts...)
}

func (c *cut) Deregister(s *registry.Service, opts ...registry.DeregisterOption) error {
	if c.off.Load() {
		return errCut
	}
	return c.Registry.Deregister(s, opts...)
}

func (c *cut) ListServices(opts ...registry.ListOption) ([]*registry.Service, error) {
	if c.off.Load() {
		return nil, errCut
	}
	return c.Registry.ListServices(opts...)
}

// names are where instances stand, and in which version: name/node/version.
func (c *cut) names(t *testing.T) string {
	t.Helper()
	all, err := c.Registry.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, s := range all {
		for _, n := range s.Nodes {
			words = append(words, s.Name+"/"+n.Id+"/"+s.Version)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// seen is a write side that remembers what it is told.
type seen struct {
	mu   sync.Mutex
	all  map[catalog.ID]*discoverypb.Instance
	mine map[catalog.ID]bool

	unseen atomic.Int64
}

func (s *seen) Seen(_ context.Context, id catalog.ID, i *discoverypb.Instance, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id], s.mine[id] = i, mine
}

func (s *seen) Unseen(_ context.Context, id catalog.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
	delete(s.mine, id)
	s.unseen.Add(1)
}

func (s *seen) get(id catalog.ID) (i *discoverypb.Instance, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id], s.mine[id]
}

func (s *seen) ids() []catalog.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}

// node keeps a registry in step until the test ends.
type node struct {
	*below.Below
	seen
}

func run(t *testing.T, o below.Options) *node {
	t.Helper()
	if o.Look == 0 {
		o.Look = 5 * time.Millisecond
	}
	o.Log = slog.New(slog.DiscardHandler)
	n := &node{Below: below.New(o), seen: seen{all: map[catalog.ID]*discoverypb.Instance{}, mine: map[catalog.ID]bool{}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx, n) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
	return n
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !yes(); <-tick.C {
		if time.Since(begun) > patience {
			t.Fatalf("not %s after %v", what, patience)
		}
	}
}

func instance(version string, s discoverypb.Status) *discoverypb.Instance {
	return &discoverypb.Instance{
		Id: "one", Address: "10.0.0.1:80", Version: version, Status: s, InstanceStatus: s, Weight: 100,
		RegisterTime: timestamppb.New(time.UnixMicro(1000)), UpdateTime: timestamppb.Now(), Ttl: durationpb.New(10 * time.Second),
	}
}

const (
	up       = discoverypb.Status_STATUS_UP
	draining = discoverypb.Status_STATUS_DRAINING
)

// TestAllArrives: what a node puts there another one has as it was, with the proof of its
// lease, and itself as its own.
func TestAllArrives(t *testing.T) {
	r := registry.NewMemoryRegistry()
	a, b := run(t, below.Options{Registry: r, Owner: "a"}), run(t, below.Options{Registry: r, Owner: "b"})
	want := &discoverypb.Instance{
		Id: "one", Address: "10.0.0.1:80", Version: "1.2", Zone: "west", Weight: 7,
		Metadata: map[string]string{"color": "blue"}, ServiceMetadata: map[string]string{"team": "x"},
		Endpoints: []*discoverypb.Endpoint{{
			Name: "Shop.Buy", Metadata: map[string]string{"stream": "true"},
			Request:  &discoverypb.Value{Name: "BuyRequest", Type: "BuyRequest", Values: []*discoverypb.Value{{Name: "item", Type: "string"}}},
			Response: &discoverypb.Value{Name: "BuyResponse", Type: "BuyResponse"},
		}},
		Status: discoverypb.Status_STATUS_OUT_OF_SERVICE, InstanceStatus: draining, OperatorStatus: discoverypb.Status_STATUS_OUT_OF_SERVICE,
		StatusReason: "disk full", Ttl: durationpb.New(90 * time.Second),
		RegisterTime: timestamppb.New(time.UnixMicro(1000)), UpdateTime: timestamppb.New(time.UnixMicro(2000)),
	}
	if a.Put(t.Context(), other, proto.CloneOf(want), "proof") {
		t.Error("kept, by what goes with the process")
	}
	want.Source = discoverypb.Source_SOURCE_PEER
	for n, own := range map[*node]bool{a: true, b: false} {
		eventually(t, "known", func() bool { i, _ := n.get(other); return i != nil })
		i, mine := n.get(other)
		if diff := cmp.Diff(want, i, protocmp.Transform()); diff != "" || mine != own {
			t.Errorf("mine %v, want %v; (-want +got):\n%s", mine, own, diff)
		}
	}
	if got := b.Proof(other); got != "proof" {
		t.Errorf("the other node has the proof %q", got)
	}
	if got := a.Proof(other) + b.Proof(one); got != "" {
		t.Errorf("of an own instance, and of none, the proof is %q", got)
	}
	a.Remove(t.Context(), other, want)
	for _, n := range []*node{a, b} {
		eventually(t, "gone", func() bool { return len(n.ids()) == 0 && n.Proof(other) == "" })
	}
}

// TestRetried: what is put, changed and taken away while the registry is away is there, and is
// not, once it is back.
func TestRetried(t *testing.T) {
	c := &cut{Registry: registry.NewMemoryRegistry()}
	n := run(t, below.Options{Registry: c, Owner: "a"})
	n.Put(t.Context(), other, instance("1", up), "")
	eventually(t, "seen", func() bool { return len(n.ids()) == 1 })
	c.off.Store(true)
	eventually(t, "away", func() bool { return n.Away() == errCut.Error() })
	for _, i := range []*discoverypb.Instance{instance("1", up), instance("2", draining), instance("3", draining)} {
		if n.Put(t.Context(), one, i, "") {
			t.Error("kept, while the registry is away")
		}
	}
	n.Remove(t.Context(), other, instance("1", up))
	if got := c.names(t); got != "other:shop/one/1" || len(n.ids()) != 1 {
		t.Errorf("while it is away: %q there, %v known, want both as before", got, n.ids())
	}
	n.Unseen(t.Context(), other)
	c.off.Store(false)
	eventually(t, "there as it was put last", func() bool { return strings.Contains(c.names(t), "~shop/~one/3") })
	eventually(t, "back", func() bool { return n.Away() == "" })
	// The write side has that removed which it does not have, and finds as its own.
	eventually(t, "found", func() bool { _, mine := n.get(other); return mine })
	n.Remove(t.Context(), other, instance("1", up))
	if got := c.names(t); got != "~shop/~one/3" {
		t.Errorf("in the end there is %q", got)
	}
}

// TestMoves: who wants no calls stands under a name of its own, and under one alone.
func TestMoves(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		c := &cut{Registry: registry.NewMemoryRegistry()}
		n := run(t, below.Options{Registry: c, Owner: "a", Keeps: keeps})
		for _, step := range []struct {
			i    *discoverypb.Instance
			want string
		}{
			{instance("1", up), "shop/one/1"},
			{instance("1", draining), "~shop/~one/1"},
			{instance("1", discoverypb.Status_STATUS_OUT_OF_SERVICE), "~shop/~one/1"},
			{instance("1", up), "shop/one/1"},
		} {
			if kept := n.Put(t.Context(), one, step.i, ""); kept != keeps {
				t.Errorf("kept %v, want %v", kept, keeps)
			}
			if got := c.names(t); got != step.want {
				t.Errorf("%v stands as %q, want %q", step.i.GetStatus(), got, step.want)
			}
		}
	}
}

// TestClose takes away what goes with the process, and nothing else.
func TestClose(t *testing.T) {
	for keeps, want := range map[bool]string{false: "plain/p/1", true: "other:shop/one/1 plain/p/1 ~shop/~one/1"} {
		c := &cut{Registry: registry.NewMemoryRegistry()}
		if err := c.Register(&registry.Service{Name: "plain", Version: "1", Nodes: []*registry.Node{{Id: "p", Address: "10.0.0.1:80"}}}); err != nil {
			t.Fatal(err)
		}
		n := run(t, below.Options{Registry: c, Owner: "a", Keeps: keeps, Remote: keeps})
		n.Put(t.Context(), one, instance("1", draining), "")
		n.Put(t.Context(), other, instance("1", up), "")
		n.Close(t.Context())
		if got := c.names(t); got != want {
			t.Errorf("keeps %v: %q is left, want %q", keeps, got, want)
		}
	}
}
