package discoveryclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"

	rpc "github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/registries/record"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Config says where a Registry is. The zero value but for Addresses is fine.
type Config struct {
	// Addresses are host or host:port (8104) of nodes of discovery-srv, in any order: of
	// nodes that read, that write, or that do both.
	Addresses []string

	// Namespace of all services. Empty: "default".
	Namespace string

	// Client calls the nodes, by TLS if it does; nil: one that does not.
	Client client.Client

	// Log is told when discovery goes and comes back; nil: nobody is.
	Log *slog.Logger
}

// Registry is go-micro's registry.Registry on discovery-srv.
//
// What is registered has a lease, which the Registry renews until it is deregistered or
// Close; where the lease was lost it registers again. While no node is reached, what is to be
// registered counts as done, and is when one is: Ready tells.
//
// What was asked for once is followed by one watch: an answer comes from memory, and stays
// as it is while no node is reached. Age tells how old it is. Instances that are draining are
// in answers only where there is no other, those out of service never. What is returned is
// shared: nobody may change it.
type Registry struct {
	nodes     *nodes
	namespace string
	cache     *cache
	holder    *holder

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	works  sync.WaitGroup
}

var _ registry.Registry = (*Registry)(nil)

// NewRegistry returns the registry that nodes of discovery-srv are, for micro.Registry. It
// does no I/O before its first call. Close ends what it begins then.
func NewRegistry(addresses ...string) *Registry { return Open(Config{Addresses: addresses}) }

// DefaultPort is where discovery-srv listens unless it is told otherwise.
const DefaultPort = "8104"

// Open is NewRegistry with all that can be said.
func Open(c Config) *Registry {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Client == nil {
		c.Client = rpc.ByAddress(nil, c.Log)
	}
	n := newNodes(c.Client, c.Log)
	for _, a := range c.Addresses {
		n.addresses = append(n.addresses, withPort(a))
	}
	n.at.Store(rand.Uint32()) //nolint:gosec // to spread
	r := &Registry{nodes: n, namespace: c.Namespace}
	r.ctx, r.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // registry.Registry has no contexts
	r.cache = newCache(r)
	r.holder = newHolder(r)
	return r
}

// goOn runs f until Close.
func (r *Registry) goOn(f func(context.Context)) { r.works.Go(func() { f(r.ctx) }) }

// Close ends the watch and the renewals. What is registered stays until its lease ends.
func (r *Registry) Close() error {
	r.cancel()
	r.works.Wait()
	return r.nodes.close()
}

// Register implements registry.Registry: for as long as Deregister is not called. It fails
// for what discovery will never take.
func (r *Registry) Register(s *registry.Service, opts ...registry.RegisterOption) error {
	var o registry.RegisterOptions
	for _, opt := range opts {
		opt(&o)
	}
	if err := record.Check(s); err != nil {
		return err
	}
	if !isName(s.Name) {
		return &record.Error{Why: fmt.Sprintf("the name has %d bytes, want 1 to %d", len(s.Name), maxName)}
	}
	var errs []error
	for _, n := range s.Nodes {
		errs = append(errs, r.holder.hold(s, n, o.TTL))
	}
	return errors.Join(errs...)
}

// Deregister implements registry.Registry. Where no node is reached, the service stays until
// its lease ends.
func (r *Registry) Deregister(s *registry.Service, _ ...registry.DeregisterOption) error {
	for _, n := range s.Nodes {
		r.holder.release(s, n)
	}
	return nil
}

// Drain says of what is registered here under a name that it wants no more calls. It returns
// once discovery knows, or with ctx.
func (r *Registry) Drain(ctx context.Context, name string) error {
	return r.holder.setStatus(ctx, name, discoverypb.Status_STATUS_DRAINING, "stopping")
}

// Ready says why a service that is to be registered has not been yet.
func (r *Registry) Ready(service string) error { return r.holder.ready(service) }

// GetService implements registry.Registry. The first time it waits for an answer, for five
// seconds at most.
func (r *Registry) GetService(name string, opts ...registry.GetOption) ([]*registry.Service, error) {
	if found := r.cache.known(name); found != nil {
		return found.answer()
	}
	if !isName(name) {
		return nil, registry.ErrNotFound
	}
	var o registry.GetOptions
	for _, opt := range opts {
		opt(&o)
	}
	ctx := o.Context
	if ctx == nil {
		ctx = r.ctx
	}
	ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
	defer cancel()
	found, err := r.cache.await(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return found.answer()
}

// ListServices implements registry.Registry, with the nodes of each service.
func (r *Registry) ListServices(opts ...registry.ListOption) ([]*registry.Service, error) {
	var o registry.ListOptions
	for _, opt := range opts {
		opt(&o)
	}
	ctx := o.Context
	if ctx == nil {
		ctx = r.ctx
	}
	ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
	defer cancel()
	all, err := r.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	return all, nil
}

// Age is how old what is known may be: 0 while discovery is heard of, and says that it hears
// of all itself, and -1 before it was asked for anything.
func (r *Registry) Age() time.Duration { return r.cache.age() }

// Cached says that answers come from memory, and that nobody else needs to keep them.
func (r *Registry) Cached() {}

// Init implements registry.Registry: everything is in Config.
func (r *Registry) Init(...registry.Option) error { return nil }

// Options implements registry.Registry.
func (r *Registry) Options() registry.Options { return registry.Options{Addrs: r.nodes.addresses} }

func (r *Registry) String() string { return "discovery" }

const maxName = 200 // bytes, says discovery.proto

// isName tells whether a service may have a name. Nodes refuse to follow another one, and all
// that is asked for with it.
func isName(s string) bool {
	return len(s) <= maxName && record.Name("name", s) == nil
}

// withPort completes an address.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return net.JoinHostPort(address, DefaultPort)
	}
	return address
}
