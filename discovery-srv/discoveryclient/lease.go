package discoveryclient

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/internal/reach"
	rpc "github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/registries/record"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// holder keeps the leases of what is registered here.
type holder struct {
	registry *Registry

	mu    sync.Mutex
	begun bool
	held  map[heldID]*held
	wake  chan struct{}
}

type heldID struct{ service, node string }

const (
	usualTTL = 30 * time.Second
	minTTL   = time.Second
	maxTTL   = time.Hour

	// patience is how long whoever registers, or deregisters, waits for discovery.
	patience = 2 * time.Second

	// maxRenew is how many leases are renewed at once.
	maxRenew = 1000

	// seldom is how long a lease goes without a renewal at most: a node that has just been
	// started waits for all of them, three times as long.
	seldom = 10 * time.Second
)

func newHolder(r *Registry) *holder {
	return &holder{registry: r, held: map[heldID]*held{}, wake: make(chan struct{}, 1)}
}

// hold registers a node, and keeps it registered.
func (h *holder) hold(s *registry.Service, n *registry.Node, ttl time.Duration) error {
	if ttl <= 0 {
		ttl = usualTTL
	}
	req := &discoverypb.RegisterRequest{
		Namespace: h.registry.namespace, Service: s.Name, Instance: instance(s, n),
		Ttl: durationpb.New(min(max(ttl, minTTL), maxTTL)),
	}
	l := h.add(heldID{s.Name, n.Id}, req)
	if !l.set(req) {
		return nil // it is registered, and is renewed
	}
	ctx, cancel := context.WithTimeout(h.registry.ctx, patience)
	defer cancel()
	err := h.register(ctx, l)
	h.hurry()
	if err == nil {
		h.registry.cache.settle(ctx, s.Name, n.Id, req.GetInstance())
	}
	if code(err) == codes.InvalidArgument {
		h.release(s, n)
		return &record.Error{Why: rpc.Error(err).Message}
	}
	return nil // the holder tries again
}

func code(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return rpc.Error(err).Code
}

// add returns the place of a node, and begins to renew.
func (h *holder) add(id heldID, req *discoverypb.RegisterRequest) *held {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[id] == nil {
		h.held[id] = &held{request: req}
	}
	if !h.begun {
		h.begun = true
		h.registry.goOn(h.run)
	}
	return h.held[id]
}

// register tells discovery what is to be registered.
func (h *holder) register(ctx context.Context, l *held) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	asked, req := l.due()
	if req == nil {
		return nil
	}
	rsp, err := ask(ctx, h.registry.nodes, twice, h.registry.nodes.registry.Register, req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if !l.once {
			l.failure = failed(ctx, "register", key(req.GetService(), req.GetInstance().GetId()), err)
		}
		return err
	}
	l.once, l.failure = true, nil
	if l.request == asked { // nobody has said something else meanwhile
		l.lease = rsp.GetLeaseId()
	}
	return nil
}

// hurry has run look at once.
func (h *holder) hurry() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run renews leases until ctx is done, three times within each, and registers what has none.
// Neither keeps the other waiting: what is refused is tried again beside renewals. Renewals
// that nobody has answered are tried again, too.
func (h *holder) run(ctx context.Context) {
	var p, late reach.Pause
	next := time.Now().Add(h.interval())
	renew, again := time.NewTimer(time.Until(next)), time.NewTimer(0)
	defer renew.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			wait := h.interval()
			if h.renew(ctx) != nil {
				wait = min(wait, late.Next())
			} else {
				late = reach.Pause{}
			}
			next = time.Now().Add(wait)
		case <-h.wake: // maybe by what is to be renewed more often
			next = earlier(next, time.Now().Add(h.interval()))
		case <-again.C:
		}
		renew.Reset(time.Until(next))
		h.registerAll(ctx)
		if h.missing() {
			again.Reset(p.Next())
		} else {
			p = reach.Pause{}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// interval is a third of the shortest time to live, or seldom, a tenth more or less.
func (h *holder) interval() time.Duration {
	ttl := 3 * seldom
	for _, l := range h.all() {
		l.mu.Lock()
		ttl = min(ttl, l.request.GetTtl().AsDuration())
		l.mu.Unlock()
	}
	third := ttl / 3
	return third - third/10 + rand.N(third/5) //nolint:gosec // so that not all come at once
}

func (h *holder) all() []*held {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*held, 0, len(h.held))
	for _, l := range h.held {
		all = append(all, l)
	}
	return all
}

// missing tells whether something has no lease.
func (h *holder) missing() bool {
	return slices.ContainsFunc(h.all(), func(l *held) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.lease == "" && !l.released
	})
}

// registerAll registers what has no lease. It gives up with the first that fails: so will
// others.
func (h *holder) registerAll(ctx context.Context) {
	for _, l := range h.all() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		err := h.register(ctx, l)
		cancel()
		if err != nil {
			return
		}
	}
}

// renew renews all leases. Those that are not known are lost, and registered again.
func (h *holder) renew(ctx context.Context) error {
	byLease := map[string]*held{}
	var ids []string
	for _, l := range h.all() {
		l.mu.Lock()
		if l.lease != "" {
			ids = append(ids, l.lease)
			byLease[l.lease] = l
		}
		l.mu.Unlock()
	}
	for some := range slices.Chunk(ids, maxRenew) {
		unknown, err := h.renewSome(ctx, some)
		if err != nil {
			return err
		}
		for _, id := range unknown {
			byLease[id].lose(id)
		}
	}
	return nil
}

func (h *holder) renewSome(ctx context.Context, ids []string) (unknown []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rsp, err := ask(ctx, h.registry.nodes, twice, h.registry.nodes.registry.Renew, &discoverypb.RenewRequest{LeaseIds: ids})
	return rsp.GetUnknownLeaseIds(), err
}

// release deregisters a node.
func (h *holder) release(s *registry.Service, n *registry.Node) {
	id := heldID{s.Name, n.Id}
	h.mu.Lock()
	l := h.held[id]
	delete(h.held, id)
	h.mu.Unlock()
	if l == nil {
		l = &held{request: &discoverypb.RegisterRequest{}} // of an earlier life of the process
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	l.released = true
	lease := l.lease
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(h.registry.ctx, patience)
	defer cancel()
	_, err := ask(ctx, h.registry.nodes, twice, h.registry.nodes.registry.Deregister, &discoverypb.DeregisterRequest{
		Namespace: h.registry.namespace, Service: s.Name, InstanceId: n.Id, LeaseId: lease,
	})
	if err == nil {
		h.registry.cache.settle(ctx, s.Name, n.Id, nil)
	} else if code(err) != codes.NotFound {
		h.registry.nodes.log.Info("an instance stays registered until its lease ends", "service", s.Name, "instance", n.Id, "error", rpc.Error(err).Message)
	}
}
