package discoveryclient

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/discovery-srv/internal/view"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// maxNames is how many services are followed by name; who asks for more gets all.
const maxNames = 1000

// cache follows what was asked for by one watch.
type cache struct {
	registry *Registry

	answers sync.Map // name to *answer

	mu        sync.Mutex
	begun     bool
	names     map[string]bool
	all       bool
	change    chan struct{} // closed when names or all change, and replaced
	told      chan struct{} // closed when an answer changes, and replaced
	instances map[string]map[string]*discoverypb.Instance
	dirty     map[string]bool // services whose answers are out of date
	synced    map[string]bool // names of which all is known
	syncedAll bool
	failure   error

	heard atomic.Int64 // nanoseconds since 1970; 0: nothing was
	late  atomic.Int64 // nanoseconds, how old that was where it came from
	live  atomic.Bool
}

// answer is what is known of a service.
type answer struct{ services []*registry.Service }

func (a *answer) answer() ([]*registry.Service, error) {
	if len(a.services) == 0 {
		return nil, registry.ErrNotFound
	}
	return a.services, nil
}

func newCache(r *Registry) *cache {
	return &cache{
		registry: r, names: map[string]bool{}, change: make(chan struct{}), told: make(chan struct{}),
		instances: map[string]map[string]*discoverypb.Instance{}, synced: map[string]bool{}, dirty: map[string]bool{},
	}
}

// known returns what is known of a service, or nil before anything is.
func (c *cache) known(name string) *answer {
	if a, ok := c.answers.Load(name); ok {
		return a.(*answer) //nolint:forcetypeassert // nothing else is stored
	}
	return nil
}

// await has a service followed, and waits until it is known.
func (c *cache) await(ctx context.Context, name string) (*answer, error) {
	c.want(name)
	for {
		c.mu.Lock()
		told, failure, all := c.told, c.failure, c.syncedAll
		c.mu.Unlock()
		if a := c.known(name); a != nil {
			return a, nil
		}
		if all {
			return &answer{}, nil
		}
		select {
		case <-told:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), failure)
		}
	}
}

// want has a service followed, or all for "".
func (c *cache) want(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all || c.names[name]:
		return
	case name == "" || len(c.names) == maxNames:
		c.all = true
	default:
		c.names[name] = true
	}
	if !c.begun {
		c.begun = true
		c.registry.goOn(c.run)
		return
	}
	close(c.change)
	c.change = make(chan struct{})
}

// run follows until ctx is done.
func (c *cache) run(ctx context.Context) {
	v := &view.View{Put: c.put, Remove: c.remove}
	var pause reach.Pause
	var place reach.Place
	for ctx.Err() == nil {
		req, changed := c.request()
		address, at := c.registry.nodes.current()
		if c.grown(req) {
			place = reach.Place{}
		}
		req.FromIndex = place.From(address)
		v.Begin()
		err := c.watch(ctx, changed, address, req, func(m *discoverypb.WatchResponse) {
			v.Apply(m)
			c.publish()
			place.Told(m)
			c.hear(m, req, address)
		})
		if ctx.Err() == nil && !errors.Is(err, errChanged) {
			c.registry.nodes.failed(at, err)
			c.lost(err)
			pause.Wait(ctx)
		}
	}
}

// request is for what is wanted now. The channel is closed when that changes.
func (c *cache) request() (*discoverypb.WatchRequest, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	req := &discoverypb.WatchRequest{Namespace: c.registry.namespace, AllServices: c.all}
	if !c.all {
		req.Services = slices.Sorted(maps.Keys(c.names))
	}
	return req, c.change
}

// grown tells whether a watch is of more than is known.
func (c *cache) grown(req *discoverypb.WatchRequest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.GetAllServices() {
		return !c.syncedAll
	}
	return slices.ContainsFunc(req.GetServices(), func(name string) bool { return !c.synced[name] })
}

var errChanged = errors.New("more is to be watched")

// watch reads one watch until it ends, falls silent, or is not what is wanted any more.
func (c *cache) watch(ctx context.Context, changed <-chan struct{}, address string, req *discoverypb.WatchRequest, apply func(*discoverypb.WatchResponse)) error {
	if address == "" {
		return errNoNode
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the watch
		select {
		case <-changed:
			cancel(errChanged)
		case <-ended:
		}
	}()
	err := reach.Watch(ctx, c.registry.nodes.client, address, req, reach.Silence, func(m *discoverypb.WatchResponse) bool {
		apply(m)
		return true
	})
	return errors.Join(context.Cause(ctx), err)
}

// hear notes a message. With SYNCED all is known of what was asked for.
func (c *cache) hear(m *discoverypb.WatchResponse, req *discoverypb.WatchRequest, address string) {
	c.heard.Store(time.Now().UnixNano())
	c.late.Store(int64(m.GetState().GetAge().AsDuration()))
	if m.GetIndex() == 0 {
		return
	}
	if !c.live.Swap(true) {
		c.registry.nodes.answered(address)
	}
	if m.GetType() != discoverypb.WatchResponse_TYPE_SYNCED {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = nil
	c.syncedAll = c.syncedAll || req.GetAllServices()
	for _, name := range req.GetServices() {
		c.synced[name] = true
		if c.known(name) == nil {
			c.answers.Store(name, &answer{})
		}
	}
	c.ring()
}

// lost notes the end of a watch.
func (c *cache) lost(err error) {
	c.live.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = err
}

// ring wakes those who wait for an answer.
func (c *cache) ring() {
	close(c.told)
	c.told = make(chan struct{})
}

func (c *cache) put(n catalog.Name, i *discoverypb.Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.instances[n.Service] == nil {
		c.instances[n.Service] = map[string]*discoverypb.Instance{}
	}
	c.instances[n.Service][i.GetId()] = i
	c.dirty[n.Service] = true
}

func (c *cache) remove(id catalog.ID, _ *discoverypb.Removed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.instances[id.Service], id.Instance)
	if len(c.instances[id.Service]) == 0 {
		delete(c.instances, id.Service)
	}
	c.dirty[id.Service] = true
}

// publish makes new answers of what a message has told.
func (c *cache) publish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.dirty) == 0 {
		return
	}
	for name := range c.dirty {
		c.answers.Store(name, &answer{services(name, c.instances[name])})
	}
	clear(c.dirty)
	c.ring()
}

// settling is how long who registers or deregisters waits for its own lookups to tell of it.
const settling = 250 * time.Millisecond

// settle waits until lookups of a service tell of an instance as it is now, or without it for
// nil, if the service is followed.
func (c *cache) settle(ctx context.Context, name, id string, now *discoverypb.Instance) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		c.mu.Lock()
		told, followed, known := c.told, c.synced[name] || c.syncedAll, c.instances[name][id]
		c.mu.Unlock()
		if !followed || alike(known, now) {
			return
		}
		select {
		case <-told:
		case <-ctx.Done():
			return
		}
	}
}

// alike tells whether an instance is known as it was registered.
func alike(known, now *discoverypb.Instance) bool {
	if known == nil || now == nil {
		return known == now
	}
	return known.GetAddress() == now.GetAddress() && known.GetVersion() == now.GetVersion() &&
		maps.Equal(known.GetMetadata(), now.GetMetadata()) && maps.Equal(known.GetServiceMetadata(), now.GetServiceMetadata()) &&
		slices.EqualFunc(known.GetEndpoints(), now.GetEndpoints(), func(a, b *discoverypb.Endpoint) bool { return proto.Equal(a, b) })
}

func (c *cache) age() time.Duration {
	heard, late := c.heard.Load(), time.Duration(c.late.Load())
	switch {
	case heard == 0:
		return -1
	case c.live.Load() && late == 0:
		return 0
	}
	return max(late+time.Since(time.Unix(0, heard)), 1)
}
