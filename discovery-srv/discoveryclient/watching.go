package discoveryclient

import (
	"cmp"
	"errors"
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/discovery-srv/internal/view"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// watching is one Watch. It belongs to one goroutine.
type watching struct {
	client *Client
	key    string
	req    *discoverypb.WatchRequest
	yield  func(Change, error) bool

	view  view.View
	known map[catalog.ID]*discoverypb.Instance
	due   []difference // to tell, of one message

	place reach.Place

	node   Node // that was told of
	synced bool // ChangeSynced was told
	broken bool // ChangeBroken was, and nothing since

	// Watches that told nothing, one after the other.
	away, writeOnly int
}

// difference is what became of an instance.
type difference struct {
	id       catalog.ID
	old, now *discoverypb.Instance // nil: it was not there, or is not
	removed  *discoverypb.Removed
}

func newWatching(c *Client, key string, what *discoverypb.WatchRequest, yield func(Change, error) bool) *watching {
	w := &watching{client: c, key: key, req: proto.CloneOf(what), yield: yield, known: map[catalog.ID]*discoverypb.Instance{}}
	w.view = view.View{Put: w.put, Remove: w.remove}
	return w
}

// begin returns the request of another watch. At the same address it goes on where the one
// before ended; to another node the index is unknown.
func (w *watching) begin(address string) *discoverypb.WatchRequest {
	w.view.Begin()
	w.req.FromIndex = w.place.From(address)
	return w.req
}

// take takes a message and tells what is new in it. It returns false if the loop was left.
func (w *watching) take(m *discoverypb.WatchResponse) bool {
	w.view.Apply(m)
	w.place.Told(m)
	w.away, w.writeOnly = 0, 0
	now := nodeOf(m.GetState())
	other := !now.alike(w.node)
	w.node = now
	if !w.tell() {
		return false
	}
	switch {
	case m.GetType() == discoverypb.WatchResponse_TYPE_SYNCED:
		w.synced, w.broken = true, false
		return w.yield(Change{Type: ChangeSynced, Node: now}, nil)
	case m.GetType() != discoverypb.WatchResponse_TYPE_SNAPSHOT && w.synced && other:
		return w.yield(Change{Type: ChangeNode, Node: now}, nil)
	}
	return true
}

// failed tells that no node is reached, once. It returns false if the loop was left.
func (w *watching) failed(err error) bool {
	w.away++
	w.writeOnly = 0 // a node that reads is away, and may come back
	if w.broken || w.away < len(w.client.nodes.addresses) {
		return true
	}
	w.broken = true
	return w.yield(Change{Type: ChangeBroken, Node: w.node, Err: err}, nil)
}

// elsewhere tells of a node that leaves lookups to others, which were not all asked.
func (w *watching) elsewhere(err error) bool {
	if !errors.Is(err, ErrWriteOnly) {
		return false
	}
	w.writeOnly++
	return w.writeOnly < w.client.nodes.readers()
}

func (w *watching) put(n catalog.Name, i *discoverypb.Instance) {
	id := catalog.ID{Name: n, Instance: i.GetId()}
	old := w.known[id]
	w.known[id] = i
	if old == nil || !same(old, i) {
		w.due = append(w.due, difference{id: id, old: old, now: i})
	}
}

func (w *watching) remove(id catalog.ID, r *discoverypb.Removed) {
	w.due = append(w.due, difference{id: id, old: w.known[id], removed: r})
	delete(w.known, id)
}

// same tells whether an instance is as it was, but for when that was said.
func same(a, b *discoverypb.Instance) bool {
	x, y := instanceOf(a), instanceOf(b)
	x.Registered, x.Updated = y.Registered, y.Updated
	return reflect.DeepEqual(x, y)
}

// tell yields what is due, in order. It returns false if the loop was left.
func (w *watching) tell() bool {
	due := w.due
	w.due = nil
	slices.SortStableFunc(due, func(a, b difference) int {
		return cmp.Or(cmp.Compare(a.id.Namespace, b.id.Namespace), cmp.Compare(a.id.Service, b.id.Service), cmp.Compare(a.id.Instance, b.id.Instance))
	})
	for _, d := range due {
		if !w.yield(d.change(w.node), nil) {
			return false
		}
	}
	return true
}

func (d difference) change(n Node) Change {
	c := Change{Type: ChangeUpdated, Namespace: d.id.Namespace, Service: d.id.Service, Node: n}
	switch {
	case d.now == nil:
		c.Type, c.Instance = ChangeRemoved, instanceOf(d.old)
		c.Event, c.Reason = EventType(d.removed.GetType()), d.removed.GetReason()
	case d.old == nil:
		c.Type, c.Instance = ChangeAdded, instanceOf(d.now)
	default:
		c.Instance, c.Before = instanceOf(d.now), instanceOf(d.old)
	}
	return c
}
