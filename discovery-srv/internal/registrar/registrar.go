// Package registrar is the write side: it keeps the catalog, the leases and the registry
// below in step.
package registrar

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/lease"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// What a registrar refuses.
var (
	ErrNotFound = errors.New("no such instance")
	ErrLease    = errors.New("the instance has another lease")
	ErrSeen     = errors.New("the instance is not registered here")
)

// Below is the registry below.
type Below interface {
	// Put has it know an instance, and tells whether it keeps that when this process is
	// lost. What it does not take now it is given again. Other nodes know the lease by its
	// proof.
	Put(ctx context.Context, id catalog.ID, i *discoverypb.Instance, proof string) (kept bool)

	// Proof is that of the lease that an instance has at another node; "": it is not known.
	Proof(id catalog.ID) string

	// Amend has it know another status of an instance that another node has put there.
	Amend(ctx context.Context, id catalog.ID, old, i *discoverypb.Instance) (kept bool)

	// Adopt is Put of what another node has amended, and may not have ended amending.
	Adopt(ctx context.Context, id catalog.ID, i *discoverypb.Instance, proof string)

	// Remove has it forget an instance. That of another node comes back while it has a
	// lease there.
	Remove(ctx context.Context, id catalog.ID, i *discoverypb.Instance)

	// Release leaves an instance to another node, which has put it there since as it is now.
	Release(id catalog.ID, now *discoverypb.Instance)
}

// Registrar is the write side of a node. Its methods may be called at once; what they do to
// one instance has an order.
type Registrar struct {
	catalog *catalog.Catalog
	leases  *lease.Table
	below   Below // nil: there is none
	now     func() time.Time

	seed   maphash.Seed
	stripe [256]sync.Mutex
}

// New returns the write side of a catalog.
func New(c *catalog.Catalog, l *lease.Table, below Below, now func() time.Time) *Registrar {
	return &Registrar{catalog: c, leases: l, below: below, now: now, seed: maphash.MakeSeed()}
}

// lock has one caller at a time do something to an instance.
func (r *Registrar) lock(id catalog.ID) (unlock func()) {
	mu := &r.stripe[maphash.Comparable(r.seed, id)%uint64(len(r.stripe))]
	mu.Lock()
	return mu.Unlock
}

// Register makes an instance known. It is r's from then on.
func (r *Registrar) Register(ctx context.Context, n catalog.Name, i *discoverypb.Instance, ttl time.Duration) (leaseID string, kept bool, err error) {
	id := catalog.ID{Name: n, Instance: i.GetId()}
	defer r.lock(id)()
	what := &discoverypb.Event{Type: discoverypb.Event_TYPE_REGISTERED}
	i.RegisterTime = r.stamp()
	switch old := r.catalog.Get(id); {
	case old != nil:
		what.Type = discoverypb.Event_TYPE_CHANGED
		i.RegisterTime = old.GetRegisterTime()
		i.OperatorStatus = old.GetOperatorStatus()
		if i.GetOperatorStatus() != discoverypb.Status_STATUS_UNSPECIFIED {
			i.StatusReason = old.GetStatusReason()
		}
	case r.catalog.Known(id) == discoverypb.Event_TYPE_LOST:
		what.Type = discoverypb.Event_TYPE_BACK
	}
	i.Source, i.Ttl = discoverypb.Source_SOURCE_LEASE, durationpb.New(ttl)
	settle(i)
	if err := r.put(id, i, what); err != nil {
		return "", false, err
	}
	leaseID = r.leases.Grant(id, ttl)
	return leaseID, r.keep(ctx, id), nil
}

// settle says which status counts.
func settle(i *discoverypb.Instance) {
	if i.GetInstanceStatus() == discoverypb.Status_STATUS_UNSPECIFIED {
		i.InstanceStatus = discoverypb.Status_STATUS_UP
	}
	i.Status = i.GetOperatorStatus()
	if i.GetStatus() == discoverypb.Status_STATUS_UNSPECIFIED {
		i.Status = i.GetInstanceStatus()
	}
	if i.GetStatus() == discoverypb.Status_STATUS_UP {
		i.StatusReason = ""
	}
}

// put gives the catalog an instance.
func (r *Registrar) put(id catalog.ID, i *discoverypb.Instance, what *discoverypb.Event) error {
	_, err := r.catalog.Put(id.Name, i, what)
	return err
}

func (r *Registrar) stamp() *timestamppb.Timestamp { return timestamppb.New(r.now()) }

// keep gives the registry below what the catalog has.
func (r *Registrar) keep(ctx context.Context, id catalog.ID) (kept bool) {
	if r.below == nil {
		return false
	}
	return r.below.Put(ctx, id, r.catalog.Get(id), r.leases.Proof(id))
}

// Renew keeps leases, and returns those that are not known.
func (r *Registrar) Renew(ids []string) (unknown []string) { return r.leases.Renew(ids) }

// Deregister removes an instance. With a lease that must be its own.
func (r *Registrar) Deregister(ctx context.Context, id catalog.ID, leaseID, reason string) error {
	defer r.lock(id)()
	i := r.catalog.Get(id)
	if err := r.check(id, i, leaseID); err != nil {
		return err
	}
	if i.GetSource() == discoverypb.Source_SOURCE_SEEN {
		return ErrSeen
	}
	r.leases.Drop(id)
	r.catalog.Remove(id, &discoverypb.Event{Type: discoverypb.Event_TYPE_DEREGISTERED, Reason: reason})
	r.remove(ctx, id, i)
	return nil
}

func (r *Registrar) remove(ctx context.Context, id catalog.ID, i *discoverypb.Instance) {
	if r.below != nil {
		r.below.Remove(ctx, id, i)
	}
}

// check refuses what is not there, and who speaks for an instance without its lease.
func (r *Registrar) check(id catalog.ID, i *discoverypb.Instance, leaseID string) error {
	if i == nil {
		return ErrNotFound
	}
	if leaseID == "" {
		return nil
	}
	if i.GetSource() == discoverypb.Source_SOURCE_SEEN {
		return ErrSeen
	}
	_, this := r.leases.Holds(id, leaseID)
	if i.GetSource() == discoverypb.Source_SOURCE_PEER {
		this = lease.Proves(r.below.Proof(id), leaseID)
	}
	if !this {
		return ErrLease
	}
	return nil
}

// SetStatus says whether an instance wants calls: as it says itself with its lease, or as an
// operator does without.
func (r *Registrar) SetStatus(ctx context.Context, id catalog.ID, s discoverypb.Status, leaseID, reason string) (i *discoverypb.Instance, kept bool, err error) {
	defer r.lock(id)()
	old := r.catalog.Get(id)
	if err := r.check(id, old, leaseID); err != nil {
		return nil, false, err
	}
	i = proto.CloneOf(old)
	i.UpdateTime = nil
	if leaseID == "" {
		i.OperatorStatus = s
	} else {
		i.InstanceStatus = s
	}
	switch {
	case i.GetOperatorStatus() != discoverypb.Status_STATUS_UNSPECIFIED && leaseID != "":
		// The reason is the operator's.
	case leaseID == "" && s == discoverypb.Status_STATUS_UNSPECIFIED:
		if old.GetOperatorStatus() != s {
			i.StatusReason = "" // why it is taken back is not why the status is what the instance says
		}
	default:
		i.StatusReason = reason
	}
	settle(i)
	if err := r.put(id, i, &discoverypb.Event{Type: discoverypb.Event_TYPE_STATUS, Reason: by(leaseID, reason)}); err != nil {
		return nil, false, err
	}
	switch i = r.catalog.Get(id); i.GetSource() {
	case discoverypb.Source_SOURCE_LEASE:
		kept = r.keep(ctx, id)
	case discoverypb.Source_SOURCE_PEER:
		kept = r.below.Amend(ctx, id, old, i)
	case discoverypb.Source_SOURCE_SEEN, discoverypb.Source_SOURCE_UNSPECIFIED: // for this node to know
	}
	return i, kept, nil
}

// by says in the timeline who has set a status.
func by(leaseID, reason string) string {
	who := "operator"
	if leaseID != "" {
		who = "instance"
	}
	if reason == "" {
		return who
	}
	return who + ": " + reason
}

// together is how many instances are ended at once: the registry below may be slow.
const together = 16

// Ended forgets instances whose leases have ended.
func (r *Registrar) Ended(ctx context.Context, ids []catalog.ID) {
	var g errgroup.Group
	g.SetLimit(together)
	for _, id := range ids {
		g.Go(func() error {
			r.ended(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // it has no errors
}

func (r *Registrar) ended(ctx context.Context, id catalog.ID) {
	defer r.lock(id)()
	i := r.catalog.Get(id)
	if held, _ := r.leases.Holds(id, ""); held || i.GetSource() != discoverypb.Source_SOURCE_LEASE {
		return // it was registered again meanwhile
	}
	r.catalog.Remove(id, &discoverypb.Event{
		Type: discoverypb.Event_TYPE_LOST, Reason: "no renewal for " + i.GetTtl().AsDuration().String(),
	})
	r.remove(ctx, id, i)
}
