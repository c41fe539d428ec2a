package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	unsaid   = discoverypb.Status_STATUS_UNSPECIFIED
	up       = discoverypb.Status_STATUS_UP
	draining = discoverypb.Status_STATUS_DRAINING
	out      = discoverypb.Status_STATUS_OUT_OF_SERVICE
)

var (
	shop = catalog.Name{Namespace: "default", Service: "shop"}
	one  = catalog.ID{Name: shop, Instance: "one"}
)

// node is the write side of a node without a registry below, whose leases run.
type node struct {
	over bool // a registry
	*registrar.Registrar

	catalog *catalog.Catalog
	leases  *lease.Table
}

func open(t *testing.T, maxBytes int64) *node {
	t.Helper()
	n := &node{catalog: catalog.New(catalog.Options{MaxBytes: maxBytes})}
	n.leases = lease.New(lease.Options{
		Share: 0.85, Few: 10, Longest: time.Minute,
		Ended:   func(ctx context.Context, ids []catalog.ID) { n.Ended(ctx, ids) },
		Changed: func(lease.State) {},
	})
	n.Registrar = registrar.New(n.catalog, n.leases, nil, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.leases.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
	return n
}

func instance(version string, s discoverypb.Status) *discoverypb.Instance {
	return &discoverypb.Instance{Id: "one", Address: "10.0.0.1:80", Version: version, InstanceStatus: s}
}

func (n *node) register(t *testing.T, i *discoverypb.Instance) (leaseID string) {
	t.Helper()
	leaseID, kept, err := n.Register(t.Context(), shop, i, 10*time.Second)
	if err != nil || kept != n.over || leaseID == "" {
		t.Fatalf("register: lease %q, kept %v, error %v, want a lease, kept %v", leaseID, kept, err, n.over)
	}
	return leaseID
}

func (n *node) set(t *testing.T, s discoverypb.Status, leaseID, reason string) {
	t.Helper()
	i, _, err := n.SetStatus(t.Context(), one, s, leaseID, reason)
	if err != nil {
		t.Fatalf("set %v: %v", s, err)
	}
	if got := n.catalog.Get(one); i != got {
		t.Errorf("set %v: got %v, want what is known: %v", s, i, got)
	}
}

// statuses are which counts, what the instance and an operator say, and why.
func (n *node) statuses() string {
	i := n.catalog.Get(one)
	return fmt.Sprintf("%v/%v/%v %q", i.GetStatus(), i.GetInstanceStatus(), i.GetOperatorStatus(), i.GetStatusReason())
}

func statuses(s, instance, operator discoverypb.Status, reason string) string {
	return fmt.Sprintf("%v/%v/%v %q", s, instance, operator, reason)
}

// story is the timeline of the instance, the first first.
func (n *node) story(t *testing.T) (all []string) {
	t.Helper()
	events, _ := n.catalog.Timeline(shop, "one", 0, 20)
	for _, e := range slices.Backward(events) {
		all = append(all, fmt.Sprintf("%v %v %q", e.GetType(), e.GetStatus(), e.GetReason()))
	}
	return all
}

func expect[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestLife registers, changes, loses and removes an instance.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 0)
		began := time.Now()
		first := n.register(t, instance("1", unsaid))
		i := n.catalog.Get(one)
		if i.GetSource() != discoverypb.Source_SOURCE_LEASE || i.GetTtl().AsDuration() != 10*time.Second || !i.GetRegisterTime().AsTime().Equal(began) {
			t.Errorf("registered: %v", i)
		}
		time.Sleep(time.Second)
		again := n.register(t, instance("1", up))
		if n.catalog.Get(one) != i {
			t.Error("registering the same is a change")
		}
		expect(t, "the earlier lease", []string{first}, n.Renew([]string{first, again}))
		n.register(t, instance("2", up))
		if got := n.catalog.Get(one); !got.GetRegisterTime().AsTime().Equal(began) || !got.GetUpdateTime().AsTime().Equal(time.Now()) {
			t.Errorf("changed: %v", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := n.catalog.Get(one); got != nil {
			t.Errorf("its lease has ended, and it is there: %v", got)
		}
		last := n.register(t, instance("2", draining))
		if err := n.Deregister(t.Context(), one, last, "a deploy"); err != nil {
			t.Errorf("deregister: %v", err)
		}
		expect(t, "the lease of who has left", []string{last}, n.Renew([]string{last}))
		n.register(t, instance("3", up))
		expect(t, "timeline", []string{
			`TYPE_REGISTERED STATUS_UP ""`,
			`TYPE_CHANGED STATUS_UP ""`,
			`TYPE_LOST STATUS_UP "no renewal for 10s"`,
			`TYPE_BACK STATUS_DRAINING ""`,
			`TYPE_DEREGISTERED STATUS_DRAINING "a deploy"`,
			`TYPE_REGISTERED STATUS_UP ""`,
		}, n.story(t))
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 0)
		refused := func(what string, want, got error) {
			t.Helper()
			if !errors.Is(got, want) {
				t.Errorf("%s: got %v, want %v", what, got, want)
			}
		}
		status := func(leaseID string) error {
			i, kept, err := n.SetStatus(t.Context(), one, draining, leaseID, "")
			if err != nil && (i != nil || kept) {
				t.Errorf("refused, and got %v, kept %v", i, kept)
			}
			return err
		}
		refused("deregister nothing", registrar.ErrNotFound, n.Deregister(t.Context(), one, "", ""))
		refused("status of nothing", registrar.ErrNotFound, status(""))

		first := n.register(t, instance("1", unsaid))
		second := n.register(t, instance("1", unsaid))
		refused("deregister with an earlier lease", registrar.ErrLease, n.Deregister(t.Context(), one, first, ""))
		refused("status with an earlier lease", registrar.ErrLease, status(first))
		expect(t, "refused", []string{`TYPE_REGISTERED STATUS_UP ""`}, n.story(t))
		refused("status with its lease", nil, status(second))
		refused("deregister with no lease", nil, n.Deregister(t.Context(), one, "", ""))
		refused("deregister once more", registrar.ErrNotFound, n.Deregister(t.Context(), one, second, ""))

		seen := instance("1", up)
		seen.Source, seen.Status = discoverypb.Source_SOURCE_SEEN, up
		if _, err := n.catalog.Put(shop, seen, &discoverypb.Event{Type: discoverypb.Event_TYPE_SEEN}); err != nil {
			t.Fatal(err)
		}
		refused("deregister what was seen", registrar.ErrSeen, n.Deregister(t.Context(), one, "", ""))
		refused("status of what was seen, as if by itself", registrar.ErrSeen, status("made up"))
		refused("status of what was seen, by an operator", nil, status(""))
		expect(t, "status of what was seen", statuses(draining, up, draining, ""), n.statuses())
	})
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 1500)
		own := n.register(t, instance("1", unsaid))
		two := instance("1", unsaid)
		two.Id = "two"
		if id, _, err := n.Register(t.Context(), shop, two, time.Second); !errors.Is(err, catalog.ErrFull) || id != "" {
			t.Errorf("no room: lease %q, error %v, want ErrFull", id, err)
		}
		large := instance("1", unsaid)
		large.Metadata = map[string]string{"large": string(make([]byte, 1000))}
		if _, _, err := n.Register(t.Context(), shop, large, time.Second); !errors.Is(err, catalog.ErrFull) {
			t.Errorf("no room to grow: %v, want ErrFull", err)
		}
		if unknown := n.Renew([]string{own}); unknown != nil || n.leases.State().Leases != 1 {
			t.Errorf("what found no room has ended another lease, or got one: %+v", n.leases.State())
		}
	})
}

// TestAgainMeanwhile is told of an end when the instance has another lease already.
func TestAgainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 0)
		n.register(t, instance("1", unsaid))
		n.Ended(t.Context(), []catalog.ID{one, {Name: shop, Instance: "unknown"}})
		if n.catalog.Get(one) == nil {
			t.Error("an instance that has a lease is gone")
		}
		n.leases.Drop(one)
		n.Ended(t.Context(), []catalog.ID{one})
		n.Ended(t.Context(), []catalog.ID{one})
		expect(t, "timeline", []string{`TYPE_REGISTERED STATUS_UP ""`, `TYPE_LOST STATUS_UP "no renewal for 10s"`}, n.story(t))
	})
}

// TestAtOnce does everything to few instances at once: in the end who has a lease is there.
func TestAtOnce(t *testing.T) {
	n := open(t, 0)
	var all sync.WaitGroup
	for at := range 8 {
		all.Go(func() {
			for round := range 300 {
				id := catalog.ID{Name: shop, Instance: fmt.Sprint(round % 3)}
				i := instance(fmt.Sprint(at), unsaid)
				i.Id = id.Instance
				own, _, err := n.Register(t.Context(), shop, i, time.Minute)
				if err != nil {
					t.Error(err)
				}
				switch at % 4 {
				case 0:
					err = n.Deregister(t.Context(), id, own, "")
				case 1:
					_, _, err = n.SetStatus(t.Context(), id, draining, own, "")
				case 2:
					n.leases.Drop(id)
					n.Ended(t.Context(), []catalog.ID{id})
				}
				if err != nil && !errors.Is(err, registrar.ErrNotFound) && !errors.Is(err, registrar.ErrLease) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, want := n.catalog.Stats().Instances, n.leases.State().Leases; got != want {
		t.Errorf("%d instances and %d leases", got, want)
	}
}
