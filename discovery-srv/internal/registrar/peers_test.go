package registrar_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/below"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// over is the write side of a node over a registry, which it looks at all the time.
func over(t *testing.T, r registry.Registry, owner string, o catalog.Options) *node {
	t.Helper()
	n := &node{catalog: catalog.New(o), over: true}
	n.leases = lease.New(lease.Options{
		Share: 0.85, Few: 10, Longest: time.Minute,
		Ended:   func(ctx context.Context, ids []catalog.ID) { n.Ended(ctx, ids) },
		Changed: func(lease.State) {},
	})
	b := below.New(below.Options{Registry: r, Keeps: true, Look: 5 * time.Millisecond, Owner: owner, Log: slog.New(slog.DiscardHandler)})
	n.Registrar = registrar.New(n.catalog, n.leases, b, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx, n.Registrar) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
	return n
}

// await waits until an instance is as it should be.
func (n *node) await(t *testing.T, what string, yes func(*discoverypb.Instance) bool) *discoverypb.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := n.catalog.Watch(catalog.Scope{}, 0)
	defer w.Close()
	for {
		select {
		case <-w.Bell():
		case <-ctx.Done():
			t.Fatalf("not %s: %v", what, n.catalog.Get(one))
		}
		w.Next()
		if i := n.catalog.Get(one); yes(i) {
			return i
		}
	}
}

func there(i *discoverypb.Instance) bool { return i != nil }

// TestLeaseOfPeer: a node takes the lease that another one has granted, and no other.
func TestLeaseOfPeer(t *testing.T) {
	r := registry.NewMemoryRegistry()
	a, b := over(t, r, "a", catalog.Options{}), over(t, r, "b", catalog.Options{})
	first := a.register(t, instance("1", unsaid))
	b.await(t, "known to the other", there)
	refuses := func(leaseID string) {
		t.Helper()
		if i, _, err := b.SetStatus(t.Context(), one, draining, leaseID, ""); !errors.Is(err, registrar.ErrLease) || i != nil {
			t.Errorf("status with lease %q: %v, %v, want ErrLease", leaseID, i, err)
		}
		if err := b.Deregister(t.Context(), one, leaseID, ""); !errors.Is(err, registrar.ErrLease) {
			t.Errorf("deregister with lease %q: %v, want ErrLease", leaseID, err)
		}
		if i := b.catalog.Get(one); i.GetStatus() != up || i.GetSource() != discoverypb.Source_SOURCE_PEER {
			t.Errorf("after lease %q: %v", leaseID, i)
		}
	}
	refuses("made up")
	refuses(lease.Proof(first)) // which stands below
	second := a.register(t, instance("2", unsaid))
	b.await(t, "changed", func(i *discoverypb.Instance) bool { return i.GetVersion() == "2" })
	refuses(first)

	i, _, err := b.SetStatus(t.Context(), one, draining, second, "a deploy")
	if err != nil || i.GetInstanceStatus() != draining || i.GetOperatorStatus() != unsaid {
		t.Errorf("with its lease: %v, %v", i, err)
	}
	a.await(t, "drained where it is registered", func(i *discoverypb.Instance) bool {
		return i.GetStatus() == draining && i.GetInstanceStatus() == draining && i.GetSource() == discoverypb.Source_SOURCE_LEASE
	})
	third := b.register(t, instance("3", unsaid)) // as who has lost the first node does
	a.await(t, "left to the other", func(i *discoverypb.Instance) bool {
		return i.GetSource() == discoverypb.Source_SOURCE_PEER && i.GetVersion() == "3"
	})
	for _, early := range []string{first, second} {
		if err := a.Deregister(t.Context(), one, early, ""); !errors.Is(err, registrar.ErrLease) {
			t.Errorf("deregister with an earlier lease: %v, want ErrLease", err)
		}
	}
	if err := b.Deregister(t.Context(), one, third, ""); err != nil {
		t.Error(err)
	}
	a.await(t, "gone", func(i *discoverypb.Instance) bool { return i == nil })
}

// TestOperatorKeepsProof: what an operator says at another node does not void the lease.
func TestOperatorKeepsProof(t *testing.T) {
	r := registry.NewMemoryRegistry()
	a, b, c := over(t, r, "a", catalog.Options{}), over(t, r, "b", catalog.Options{}), over(t, r, "c", catalog.Options{})
	own := a.register(t, instance("1", unsaid))
	b.await(t, "known to the second", there)
	b.set(t, draining, "", "disk full")
	c.await(t, "drained at the third", func(i *discoverypb.Instance) bool { return i.GetStatus() == draining })
	if _, _, err := c.SetStatus(t.Context(), one, up, "made up", ""); !errors.Is(err, registrar.ErrLease) {
		t.Errorf("a lease that was made up: %v", err)
	}
	if err := c.Deregister(t.Context(), one, own, ""); err != nil {
		t.Errorf("its lease: %v", err)
	}
}

// TestEndedLease: the lease of an instance that is about to be lost is none.
func TestEndedLease(t *testing.T) {
	n := over(t, registry.NewMemoryRegistry(), "a", catalog.Options{})
	own := n.register(t, instance("1", unsaid))
	n.leases.Drop(one) // as Run does before it calls Ended
	if err := n.Deregister(t.Context(), one, own, ""); !errors.Is(err, registrar.ErrLease) {
		t.Errorf("got %v, want ErrLease", err)
	}
	if err := n.Deregister(t.Context(), one, "", ""); err != nil {
		t.Errorf("an operator: %v", err)
	}
}

// TestFullOfWhatIsSeen: what stands below and finds no room is told, and is known once there
// is.
func TestFullOfWhatIsSeen(t *testing.T) {
	r := registry.NewMemoryRegistry()
	told := make(chan catalog.ID, 100)
	n := over(t, r, "a", catalog.Options{MaxBytes: 1500, Full: func(id catalog.ID) { told <- id }})
	two := instance("1", unsaid)
	two.Id = "two"
	if _, _, err := n.Register(t.Context(), shop, two, time.Minute); err != nil {
		t.Fatal(err)
	}
	err := r.Register(&registry.Service{Name: "shop", Version: "1", Nodes: []*registry.Node{{Id: "one", Address: "10.0.0.1:80"}}})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-told:
		expect(t, "told", one, id)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is told of what finds no room")
	}
	if got := n.catalog.Stats(); got.Full == 0 || got.Instances != 1 {
		t.Errorf("got %+v", got)
	}
	if err := n.Deregister(t.Context(), catalog.ID{Name: shop, Instance: "two"}, "", ""); err != nil {
		t.Fatal(err)
	}
	n.await(t, "seen once there is room", there)
	if len(told) > 0 {
		t.Errorf("it is told %d more times within a minute", len(told))
	}
}

// TestWrittenOver: what is said of an instance of another node is said again if that, or its
// own node, has written over it.
func TestWrittenOver(t *testing.T) {
	r := registry.NewMemoryRegistry()
	peer := instance("1", up)
	peer.Status, peer.UpdateTime = up, timestamppb.Now()
	below.New(below.Options{Registry: r, Owner: "gone", Log: slog.New(slog.DiscardHandler)}).Put(t.Context(), one, peer, "")
	before, err := r.GetService("shop")
	if err != nil {
		t.Fatal(err)
	}
	n := over(t, r, "a", catalog.Options{})
	n.await(t, "known", there)
	n.set(t, draining, "", "an operator")
	want := n.statuses()
	now, err := r.GetService("~shop")
	if err = errors.Join(err, r.Register(before[0])); err != nil { // first: it stands somewhere all the time
		t.Fatal(err)
	}
	if err := r.Deregister(now[0]); err != nil {
		t.Fatal(err)
	}
	other := over(t, r, "b", catalog.Options{})
	other.await(t, "known as it was said", func(*discoverypb.Instance) bool { return other.statuses() == want })
	expect(t, "the node itself", want, n.statuses())
}

// counted counts what is put into a registry, and how often somebody looks.
type counted struct {
	registry.Registry

	puts, looks atomic.Int64
}

func (c *counted) Register(s *registry.Service, o ...registry.RegisterOption) error {
	c.puts.Add(1)
	return c.Registry.Register(s, o...)
}

func (c *counted) ListServices(o ...registry.ListOption) ([]*registry.Service, error) {
	c.looks.Add(1)
	return c.Registry.ListServices(o...)
}

// TestSaidOnce: what was said at another node stands there, and is not said again and again,
// which would keep a record that nobody renews.
func TestSaidOnce(t *testing.T) {
	r := &counted{Registry: registry.NewMemoryRegistry()}
	peer := instance("1", up)
	peer.Status, peer.UpdateTime = up, timestamppb.Now()
	below.New(below.Options{Registry: r, Owner: "gone", Log: slog.New(slog.DiscardHandler)}).Put(t.Context(), one, peer, "")
	n := over(t, r, "a", catalog.Options{})
	n.await(t, "known", there)
	before := r.puts.Load()
	n.set(t, draining, "", "an operator")
	for seen := r.looks.Load(); r.looks.Load() < seen+10; time.Sleep(time.Millisecond) {
		if t.Context().Err() != nil {
			t.Fatal("nobody looks")
		}
	}
	if got := r.puts.Load() - before; got != 1 {
		t.Errorf("it is put there %d times, want once", got)
	}
}
