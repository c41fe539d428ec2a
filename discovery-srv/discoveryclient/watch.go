package discoveryclient

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/micro/platform/discovery-srv/internal/reach"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// ChangeType is what a Change tells.
type ChangeType int

// The types of changes.
const (
	ChangeAdded   ChangeType = iota + 1 // an instance is there
	ChangeUpdated                       // it is other than Before
	ChangeRemoved                       // it is gone; Event and Reason say why

	// ChangeSynced: all that there is has been told. It comes first after that, and again
	// whenever the watch goes on that was cut off.
	ChangeSynced

	// ChangeNode: Node is other than before. It says nothing of instances.
	ChangeNode

	// ChangeBroken: no node can be reached, for Err. What was told is what was known last;
	// ChangeSynced comes once one can.
	ChangeBroken
)

func (t ChangeType) String() string {
	switch t {
	case ChangeAdded:
		return "added"
	case ChangeUpdated:
		return "updated"
	case ChangeRemoved:
		return "removed"
	case ChangeSynced:
		return "synced"
	case ChangeNode:
		return "node"
	case ChangeBroken:
		return "broken"
	}
	return unknown
}

// Change is what a watch tells.
type Change struct {
	Type               ChangeType
	Namespace, Service string
	Instance           Instance  // as it is now, or was known last
	Before             Instance  // of ChangeUpdated
	Event              EventType // of ChangeRemoved: EventLost, EventDeregistered or EventGone
	Reason             string    // likewise
	Node               Node      // that tells; of ChangeBroken that which has told last
	Err                error     // of ChangeBroken
}

// Watch yields the instances of some services, up to 1000 that need not be there, or of all
// services of the namespace if none is named: those that there are, ChangeSynced, and then
// what becomes of them. Times alone are no change. Who reads slowly gets several changes of
// an instance as one.
//
// It goes on until the loop is left, ctx is done, or the service refuses it; the last two
// are an error, the last it yields. When a connection breaks, nothing comes for 20 seconds,
// or no node is there from the beginning, it begins again by itself, after 50 milliseconds
// to three seconds, and tells only what is different then. A node that has just been started
// may not know of all there is: what it does not know is there until it does.
//
// It ends with ctx at once, but up to five seconds later while it still connects, or if the
// service has fallen silent.
func (c *Client) Watch(ctx context.Context, services ...string) iter.Seq2[Change, error] {
	return c.watch(ctx, strings.Join(services, " "), &discoverypb.WatchRequest{Namespace: c.namespace, Services: services, AllServices: len(services) == 0})
}

// WatchAll is Watch of all services of all namespaces.
func (c *Client) WatchAll(ctx context.Context) iter.Seq2[Change, error] {
	return c.watch(ctx, "", &discoverypb.WatchRequest{AllNamespaces: true})
}

func (c *Client) watch(ctx context.Context, key string, what *discoverypb.WatchRequest) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		w := newWatching(c, key, what, yield)
		var pause reach.Pause
		for {
			address, at := c.nodes.current()
			err := w.run(ctx, address)
			switch {
			case err == nil: // the loop was left
				return
			case ctx.Err() == nil && w.elsewhere(err):
				c.nodes.leave(at)
				continue
			case ctx.Err() != nil || isRefusal(err):
				yield(Change{}, err)
				return
			}
			c.nodes.failed(at, err)
			if !w.failed(err) {
				return
			}
			if !pause.Wait(ctx) {
				yield(Change{}, failed(ctx, "watch", key, ctx.Err()))
				return
			}
		}
	}
}

// run does one watch. It returns nil if the loop was left.
func (w *watching) run(ctx context.Context, address string) error {
	return failed(ctx, "watch", w.key, reach.Watch(ctx, w.client.nodes.client, address, w.begin(address), w.client.silence, w.take))
}

// isRefusal tells of what a service answers whenever it is asked.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "invalid_argument", "failed_precondition", "out_of_range", "unimplemented", "not_found", "unauthenticated", "permission_denied":
		return true
	}
	return false
}
