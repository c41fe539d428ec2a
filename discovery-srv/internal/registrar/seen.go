package registrar

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Seen says what stands in the registry below of an instance: with mine, what this node has
// put there. Of what several write nodes say of one, the latest counts.
func (r *Registrar) Seen(ctx context.Context, id catalog.ID, i *discoverypb.Instance, mine bool) {
	defer r.lock(id)()
	old := r.catalog.Get(id)
	if held, _ := r.leases.Holds(id, ""); held {
		r.contested(ctx, id, old, i, mine)
		return
	}
	if mine { // it was removed here, and is not yet there
		r.below.Remove(ctx, id, i)
		return
	}
	if later(old, i) {
		i = r.insist(ctx, id, old, i)
	}
	what := &discoverypb.Event{Type: discoverypb.Event_TYPE_CHANGED, Reason: "below"}
	if old == nil {
		what.Type = discoverypb.Event_TYPE_SEEN
	}
	i = proto.CloneOf(i)
	if i.GetSource() == discoverypb.Source_SOURCE_SEEN { // its process says neither since when nor what an operator has said
		i.RegisterTime = r.stamp()
		if old != nil {
			i.RegisterTime, i.OperatorStatus, i.StatusReason = old.GetRegisterTime(), old.GetOperatorStatus(), old.GetStatusReason()
		}
	}
	settle(i)
	_ = r.put(id, i, what) // a catalog that is full says so by itself
}

// later tells whether this node knows a later status of an instance of another node than what
// stands below: that was written over, or is not told yet.
func later(known, i *discoverypb.Instance) bool {
	return known.GetSource() == discoverypb.Source_SOURCE_PEER && i.GetSource() == discoverypb.Source_SOURCE_PEER &&
		known.GetUpdateTime().AsTime().After(i.GetUpdateTime().AsTime())
}

// insist has the registry below know the later status, and returns the instance with that.
func (r *Registrar) insist(ctx context.Context, id catalog.ID, known, i *discoverypb.Instance) *discoverypb.Instance {
	c := withStatus(i, known)
	was := proto.CloneOf(i)
	settle(was)
	r.below.Amend(ctx, id, was, c)
	return c
}

// withStatus is an instance with all that is said of the status of another state of it.
func withStatus(i, of *discoverypb.Instance) *discoverypb.Instance {
	c := proto.CloneOf(i)
	c.InstanceStatus, c.OperatorStatus = of.GetInstanceStatus(), of.GetOperatorStatus()
	c.StatusReason, c.UpdateTime = of.GetStatusReason(), of.GetUpdateTime()
	settle(c)
	return c
}

// contested is of an instance that has a lease here.
func (r *Registrar) contested(ctx context.Context, id catalog.ID, own, i *discoverypb.Instance, mine bool) {
	switch {
	case i.GetSource() == discoverypb.Source_SOURCE_SEEN: // beside it, its process has registered by itself
	case !i.GetUpdateTime().AsTime().After(own.GetUpdateTime().AsTime()):
		if !mine {
			r.keep(ctx, id) // over what came late
		}
	case mine: // another node has written what an operator says, or the instance
		who := "operator"
		if i.GetInstanceStatus() != own.GetInstanceStatus() {
			who = "instance"
		}
		if r.put(id, withStatus(own, i), &discoverypb.Event{Type: discoverypb.Event_TYPE_STATUS, Reason: who + ", at another node"}) == nil {
			r.below.Adopt(ctx, id, r.catalog.Get(id), r.leases.Proof(id))
		}
	default: // it was registered at another node since
		r.leases.Drop(id)
		i = proto.CloneOf(i)
		settle(i)
		r.below.Release(id, i)
		_ = r.put(id, i, &discoverypb.Event{Type: discoverypb.Event_TYPE_CHANGED, Reason: "registered at another node"}) // likewise
	}
}

// Unseen says that nothing stands there.
func (r *Registrar) Unseen(ctx context.Context, id catalog.ID) {
	defer r.lock(id)()
	if held, _ := r.leases.Holds(id, ""); held {
		r.keep(ctx, id)
		return
	}
	r.catalog.Remove(id, &discoverypb.Event{Type: discoverypb.Event_TYPE_GONE, Reason: "not in the registry below any more"})
}
