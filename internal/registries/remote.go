package registries

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"go-micro.dev/v5/registry"
	"golang.org/x/sync/singleflight"

	"github.com/micro/platform/internal/registries/record"
)

// grace is how long a lookup waits for the servers where there is an earlier answer.
const grace = 250 * time.Millisecond

// Remote is a registry on servers that may be away. Then what is registered counts as
// done, since go-micro's server registers again and again, and a lookup has the last
// answer. It logs when servers go and come back.
type Remote struct {
	registry.Registry

	log     *slog.Logger
	lookups singleflight.Group

	mu      sync.Mutex
	known   map[string][]*registry.Service // the last answers
	waiting map[string]error               // nil for a service that has been registered once
	away    bool
}

func newRemote(r registry.Registry, log *slog.Logger) *Remote {
	return &Remote{
		Registry: r, log: log.With("registry", r.String()),
		known: map[string][]*registry.Service{}, waiting: map[string]error{},
	}
}

// Register implements registry.Registry. It fails for what the registry will never take.
func (r *Remote) Register(s *registry.Service, opts ...registry.RegisterOption) error {
	err := r.Registry.Register(s, opts...)
	if bad := record.Err(err); bad != nil {
		return bad
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, tried := r.waiting[s.Name]; err == nil || was != nil || !tried {
		r.waiting[s.Name] = err
	}
	r.tell(err)
	return nil
}

// tell logs that the servers have gone or are back, once.
func (r *Remote) tell(err error) {
	switch {
	case err != nil && !r.away:
		r.log.Warn("the registry is away, and will be tried again", "error", err)
	case err == nil && r.away:
		r.log.Info("the registry is back, and the service registered")
	}
	r.away = err != nil
}

// Ready says why a service that is to be registered has not been yet.
func (r *Remote) Ready(service string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting[service]
}

// Deregister implements registry.Registry. Where the servers are away, the service stays
// registered until its TTL is over.
func (r *Remote) Deregister(s *registry.Service, opts ...registry.DeregisterOption) error {
	if err := r.Registry.Deregister(s, opts...); err != nil {
		r.log.Warn("the service stays registered until its TTL is over", "error", err)
	}
	return nil
}

// GetService implements registry.Registry. It returns the last answer where the servers
// are away or slow.
func (r *Remote) GetService(name string, opts ...registry.GetOption) ([]*registry.Service, error) {
	if record.Name("name", name) != nil {
		return nil, registry.ErrNotFound // since it cannot be registered
	}
	asked := r.lookups.DoChan(name, func() (any, error) {
		found, err := r.Registry.GetService(name, opts...)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil {
			r.known[name] = found
		} else if errors.Is(err, registry.ErrNotFound) {
			delete(r.known, name)
		}
		return found, err
	})
	r.mu.Lock()
	known := r.known[name]
	r.mu.Unlock()
	var late <-chan time.Time
	if len(known) > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case a := <-asked:
		if a.Err == nil || len(known) == 0 || errors.Is(a.Err, registry.ErrNotFound) {
			found, _ := a.Val.([]*registry.Service)
			return clone(found), a.Err
		}
	case <-late:
	}
	return clone(known), nil
}

// clone is for callers that change what they get, as go-micro's cache does.
func clone(all []*registry.Service) []*registry.Service {
	out := make([]*registry.Service, 0, len(all))
	for _, s := range all {
		c := *s
		c.Nodes = append([]*registry.Node(nil), s.Nodes...)
		out = append(out, &c)
	}
	return out
}

// Close ends what the registry has begun.
func (r *Remote) Close() error {
	if c, ok := r.Registry.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
