package discoveryclient

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	rpc "github.com/micro/platform/internal/client"
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
// or no node is there from the beginning, it begins again by itself, after 100 milliseconds
// to 10 seconds, and tells only what is different then. A node that has just been started
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
		for pause := shortest; ; pause = min(2*pause, longest) {
			at, address := c.address()
			lasted, err := w.run(ctx, address)
			switch {
			case err == nil: // the loop was left
				return
			case ctx.Err() == nil && w.elsewhere(err):
				c.leave(at)
				continue
			case ctx.Err() != nil || isRefusal(err):
				yield(Change{}, err)
				return
			}
			c.leave(at)
			if lasted > longest {
				pause = shortest
			}
			if !w.failed(err) {
				return
			}
			if !rest(ctx, pause) {
				yield(Change{}, failed(ctx, "watch", key, ctx.Err()))
				return
			}
		}
	}
}

// run does one watch, and returns for how long that knew of all there is. It returns nil if
// the loop was left.
func (w *watching) run(ctx context.Context, address string) (time.Duration, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(w.client.silence, cancel)
	defer silent.Stop()
	var since time.Time
	err := rpc.Read(running, w.client.client, Service, "Registry.Watch", w.begin(address), to(address), func(m *discoverypb.WatchResponse) bool {
		silent.Stop() // the caller takes the time that it needs
		if m.GetType() == discoverypb.WatchResponse_TYPE_SYNCED {
			since = time.Now()
		}
		goesOn := w.take(m)
		silent.Reset(w.client.silence)
		return goesOn
	})
	var lasted time.Duration
	if !since.IsZero() {
		lasted = time.Since(since)
	}
	if err != nil && running.Err() != nil && ctx.Err() == nil {
		return lasted, rpc.NewCallError("discovery", "watch", w.key, codeUnavailable, "silent", "nothing came for "+w.client.silence.String(), kind)
	}
	return lasted, failed(ctx, "watch", w.key, err)
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
