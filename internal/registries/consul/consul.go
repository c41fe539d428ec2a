// Package consul is a registry in Consul, by way of an agent, with the records of
// go-micro's own.
package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/record"
	"github.com/micro/platform/internal/registries/servers"
)

const (
	// patience is how long one request to the registry may take.
	patience = 2 * time.Second

	// forget is how long after its TTL Consul drops what has not been renewed. Until then
	// it is there, but not found.
	forget = time.Minute + 5*time.Second
)

// Registry implements registry.Registry. A node is renewed when it is registered again.
type Registry struct {
	client    *api.Client
	transport *http.Transport
	where     string

	mu         sync.Mutex
	registered map[string]string // nodes by ID, as they were registered

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
}

var _ registry.Registry = (*Registry)(nil)

// Open returns a registry on an agent, which may be away.
func Open(ctx context.Context, s servers.Servers) (*Registry, error) {
	r := &Registry{where: "consul at " + s.String(), registered: map[string]string{}}
	r.transport = &http.Transport{TLSClientConfig: s.TLS, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	scheme := "http"
	if s.TLS != nil {
		scheme = "https"
	}
	client, err := api.NewClient(&api.Config{
		Address: s.Hosts[0], Scheme: scheme,
		HttpClient: &http.Client{Transport: authorized{r.transport, s.Password}},
	})
	if err != nil {
		return nil, err
	}
	r.client = client
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return r, nil
}

// authorized sends the token of the settings alone, and none of the environment.
type authorized struct {
	http.RoundTripper
	token string
}

func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("X-Consul-Token")
	if a.token != "" {
		req.Header.Set("X-Consul-Token", a.token)
	}
	return a.RoundTripper.RoundTrip(req)
}

// ask does one request, within patience.
func (r *Registry) ask(request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	if err := request(ctx); err != nil {
		return fmt.Errorf("%s: %w", r.where, err)
	}
	return nil
}

// Register implements registry.Registry.
func (r *Registry) Register(s *registry.Service, opts ...registry.RegisterOption) error {
	var o registry.RegisterOptions
	for _, opt := range opts {
		opt(&o)
	}
	if err := record.Check(s); err != nil {
		return err
	}
	var errs []error
	for _, n := range s.Nodes {
		a, err := registration(s, n, o.TTL)
		if err != nil {
			return err
		}
		errs = append(errs, r.ask(func(ctx context.Context) error { return r.put(ctx, a, o.TTL) }))
	}
	return errors.Join(errs...)
}

// put renews a node, or writes it if the agent does not know it as it is.
func (r *Registry) put(ctx context.Context, a *api.AgentServiceRegistration, ttl time.Duration) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r.mu.Lock()
	same := r.registered[a.ID] == string(b)
	r.mu.Unlock()
	query := (&api.QueryOptions{}).WithContext(ctx)
	pass := func() error {
		return r.client.Agent().UpdateTTLOpts("service:"+a.ID, "", api.HealthPassing, query)
	}
	if same && ttl > 0 {
		var answer api.StatusError
		if err := pass(); !errors.As(err, &answer) { // which says that it does not know it
			return err
		}
	}
	if err := r.client.Agent().ServiceRegisterOpts(a, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		return err
	}
	if ttl > 0 {
		if err := pass(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered[a.ID] = string(b)
	return nil
}

func registration(s *registry.Service, n *registry.Node, ttl time.Duration) (*api.AgentServiceRegistration, error) {
	a := &api.AgentServiceRegistration{ID: n.Id, Name: s.Name, Address: n.Address, Meta: meta(n.Metadata)}
	if host, port, err := net.SplitHostPort(n.Address); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, &record.Error{Why: fmt.Sprintf("node %s: consul takes no port %q", n.Id, port)}
		}
		a.Address, a.Port = host, int(number)
	}
	if ttl > 0 {
		a.Check = &api.AgentServiceCheck{TTL: ttl.String(), DeregisterCriticalServiceAfter: forget.String()}
	}
	var err error
	a.Tags, err = tags(s, n)
	return a, err
}

// Deregister implements registry.Registry.
func (r *Registry) Deregister(s *registry.Service, _ ...registry.DeregisterOption) error {
	var errs []error
	for _, n := range s.Nodes {
		r.mu.Lock()
		delete(r.registered, n.Id)
		r.mu.Unlock()
		errs = append(errs, r.ask(func(ctx context.Context) error {
			err := r.client.Agent().ServiceDeregisterOpts(n.Id, (&api.QueryOptions{}).WithContext(ctx))
			var answer api.StatusError
			if errors.As(err, &answer) && strings.Contains(answer.Body, "Unknown service") { // the code is 500 or 404
				return nil
			}
			return err
		}))
	}
	return errors.Join(errs...)
}

// GetService implements registry.Registry.
func (r *Registry) GetService(name string, _ ...registry.GetOption) ([]*registry.Service, error) {
	var found []*registry.Service
	err := r.ask(func(ctx context.Context) (err error) {
		found, _, err = r.healthy(ctx, name, 0)
		return err
	})
	if err == nil && len(found) == 0 {
		err = registry.ErrNotFound
	}
	return found, err
}

// healthy returns the nodes of a service that are not past their TTL, and when that was:
// later than since, or after wait.
func (r *Registry) healthy(ctx context.Context, name string, since uint64) ([]*registry.Service, uint64, error) {
	query := (&api.QueryOptions{AllowStale: true, WaitIndex: since, WaitTime: wait}).WithContext(ctx)
	entries, m, err := r.client.Health().Service(name, "", false, query)
	if err != nil {
		return nil, 0, err
	}
	var all []*registry.Service
	for _, e := range entries {
		status := e.Checks.AggregatedStatus()
		if e.Service.Service == name && status != api.HealthCritical && status != api.HealthMaint {
			all = append(all, service(e))
		}
	}
	return record.Merge(all), m.LastIndex, nil
}

// ListServices implements registry.Registry. It returns names alone, as go-micro's does.
func (r *Registry) ListServices(...registry.ListOption) ([]*registry.Service, error) {
	var all []*registry.Service
	err := r.ask(func(ctx context.Context) error {
		names, _, err := r.client.Catalog().Services((&api.QueryOptions{AllowStale: true}).WithContext(ctx))
		for name := range names {
			all = append(all, &registry.Service{Name: name})
		}
		return err
	})
	return record.Merge(all), err
}

// Close ends what the registry has begun. What is registered stays until its TTL is over.
func (r *Registry) Close() error {
	r.cancel()
	r.transport.CloseIdleConnections()
	return nil
}

// Init implements registry.Registry: everything is in the URL.
func (r *Registry) Init(...registry.Option) error { return nil }

// Options implements registry.Registry.
func (r *Registry) Options() registry.Options { return registry.Options{} }

func (r *Registry) String() string { return "consul" }
