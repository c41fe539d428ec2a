// Package follow is the read side: it follows a write node by one stream, and hands calls
// that write to it.
package follow

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/discovery-srv/internal/view"
	rpc "github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Follower keeps a catalog as that of the node that it follows: one of some write nodes.
type Follower struct {
	catalog   *catalog.Catalog
	client    client.Client
	registry  discoverypb.RegistryService
	addresses []string
	log       *slog.Logger
	begun     time.Time

	mu      sync.Mutex
	at      int // of addresses: the one that is followed
	heard   time.Time
	live    bool
	state   *discoverypb.NodeState
	failure error

	incomplete error     // why the catalog has not all that was told; nil: it has
	since      time.Time // when that was found out, or all was asked for again
	again      time.Duration
}

// again is how long after something found no room all is asked for again.
const again = time.Minute

// New returns a follower of one of some write nodes, host:port, which calls through c.
func New(known *catalog.Catalog, c client.Client, addresses []string, log *slog.Logger) *Follower {
	c = rpc.Protobuf(c)
	return &Follower{
		catalog: known, client: c, registry: discoverypb.NewRegistryService(reach.Service, c),
		addresses: addresses, log: log, begun: time.Now(), again: again, at: rand.IntN(len(addresses)), //nolint:gosec // to spread
	}
}

// Run follows until ctx is done.
func (f *Follower) Run(ctx context.Context) error {
	v := f.view()
	var pause reach.Pause
	var place reach.Place
	for ctx.Err() == nil {
		address := f.address()
		v.Begin()
		req := &discoverypb.WatchRequest{AllNamespaces: true, FromIndex: place.From(address)}
		whole, anew := false, false
		err := reach.Watch(ctx, f.client, address, req, reach.Silence, func(m *discoverypb.WatchResponse) bool {
			whole = whole || m.GetType() == discoverypb.WatchResponse_TYPE_SNAPSHOT
			if whole && m.GetType() == discoverypb.WatchResponse_TYPE_SYNCED {
				f.begin()
			}
			v.Apply(m)
			place.Told(m)
			f.hear(m)
			anew = f.due()
			return !anew
		})
		switch {
		case ctx.Err() != nil:
		case anew:
			place = reach.Place{}
		default:
			f.lost(err)
			pause.Wait(ctx)
		}
	}
	return ctx.Err()
}

// begin notes that all there is will be put into the catalog.
func (f *Follower) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.incomplete = nil
}

// due tells, now and then, that what found no room may find some.
func (f *Follower) due() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.incomplete == nil || time.Since(f.since) < f.again {
		return false
	}
	f.since = time.Now()
	return true
}

// address is that of the node that is followed.
func (f *Follower) address() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addresses[f.at]
}

// view writes to the catalog what is told.
func (f *Follower) view() *view.View {
	return &view.View{
		Put: func(n catalog.Name, i *discoverypb.Instance) {
			id := catalog.ID{Name: n, Instance: i.GetId()}
			if _, err := f.catalog.Put(n, i, f.event(id, i)); err != nil {
				f.lacks(err)
			}
		},
		Remove: func(id catalog.ID, r *discoverypb.Removed) {
			f.catalog.Remove(id, &discoverypb.Event{Type: r.GetType(), Reason: r.GetReason()})
		},
	}
}

// event is what has happened, as far as the difference tells.
func (f *Follower) event(id catalog.ID, i *discoverypb.Instance) *discoverypb.Event {
	old := f.catalog.Get(id)
	switch {
	case old == nil && i.GetSource() == discoverypb.Source_SOURCE_SEEN:
		return &discoverypb.Event{Type: discoverypb.Event_TYPE_SEEN}
	case old == nil && f.catalog.Known(id) == discoverypb.Event_TYPE_LOST:
		return &discoverypb.Event{Type: discoverypb.Event_TYPE_BACK}
	case old == nil:
		return &discoverypb.Event{Type: discoverypb.Event_TYPE_REGISTERED}
	case old.GetStatus() != i.GetStatus():
		return &discoverypb.Event{Type: discoverypb.Event_TYPE_STATUS, Reason: i.GetStatusReason()}
	}
	return &discoverypb.Event{Type: discoverypb.Event_TYPE_CHANGED}
}

// hear notes a message.
func (f *Follower) hear(m *discoverypb.WatchResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.GetIndex() == 0 { // a part: until all is there, what is not known may be in the next
		return
	}
	f.heard, f.state = time.Now(), m.GetState()
	if !f.live {
		f.log.Info("following a write node", "address", f.addresses[f.at])
	}
	f.live, f.failure = true, nil
}

// lost notes the end of a watch, and goes on with the next node.
func (f *Follower) lost(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live || f.failure == nil {
		f.log.Warn("the write node is away, and others will be tried", "address", f.addresses[f.at], "error", why(err))
	}
	f.live, f.failure = false, fmt.Errorf("%s: %s", f.addresses[f.at], why(err))
	f.at = (f.at + 1) % len(f.addresses)
}

// why says it for people.
func why(err error) string {
	if e := rpc.Error(err); e != nil {
		return e.Message
	}
	return "the stream has ended"
}

// lacks notes that the catalog has not all that was told.
func (f *Follower) lacks(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.incomplete == nil {
		f.since = time.Now()
	}
	f.incomplete = fmt.Errorf("this node does not have all that its source has: %w", err)
}

// Age is how long ago the node that is followed was heard of, 0 while it is, and since the
// follower began where none ever was.
func (f *Follower) Age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.live:
		return 0
	case f.heard.IsZero():
		return max(time.Since(f.begun), 1)
	}
	return max(time.Since(f.heard), 1)
}

// Heard tells whether any node ever was.
func (f *Follower) Heard() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.heard.IsZero()
}

// Away is why no node is followed, or is not as a whole, or "".
func (f *Follower) Away() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failure != nil:
		return f.failure.Error()
	case f.incomplete != nil:
		return f.incomplete.Error()
	}
	return ""
}

// Warming tells that what is not known may be there all the same.
func (f *Follower) Warming() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == nil || f.state.GetWarming()
}

// Preserving is since when the node that is followed preserves leases; zero: it does not.
func (f *Follower) Preserving() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.GetPreservingSince() == nil {
		return time.Time{}
	}
	return f.state.GetPreservingSince().AsTime()
}
