// Package etcd is a registry in an etcd cluster, with the keys and values of go-micro's
// own.
package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"go-micro.dev/v5/registry"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/internal/etcdclient"
	"github.com/micro/platform/internal/registries/record"
	"github.com/micro/platform/internal/registries/servers"
)

const (
	// patience is how long one request to the registry may take.
	patience = 2 * time.Second

	// prefix begins the keys: /micro/registry/<service>/<node>.
	prefix = "/micro/registry/"
)

// Registry implements registry.Registry. A node is renewed when it is registered again.
type Registry struct {
	config clientv3.Config
	where  string

	mu     sync.Mutex
	client *clientv3.Client // nil until etcd has let it in
	leases map[string]clientv3.LeaseID

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
}

var _ registry.Registry = (*Registry)(nil)

// Open returns a registry on servers, which may be away.
func Open(ctx context.Context, s servers.Servers) *Registry {
	r := &Registry{where: "etcd at " + s.String(), leases: map[string]clientv3.LeaseID{}}
	r.config = etcdclient.Config(s.Hosts, s.TLS, patience)
	r.config.Username, r.config.Password = s.User, s.Password
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.config.Context = r.ctx
	return r
}

// ask does one request, within patience.
func (r *Registry) ask(request func(context.Context, *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	client, err := r.connection()
	if err == nil {
		err = request(ctx, client)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.where, err)
	}
	return nil
}

// connection returns the client. With a password, making one asks etcd.
func (r *Registry) connection() (*clientv3.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	client, err := clientv3.New(r.config)
	if err != nil {
		return nil, err
	}
	r.client = client
	return client, nil
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
		value, err := json.Marshal(record.Of(s, n))
		if err != nil {
			return fmt.Errorf("encode %s: %w", s.Name, err)
		}
		errs = append(errs, r.ask(func(ctx context.Context, c *clientv3.Client) error {
			return r.put(ctx, c, key(s.Name, n.Id), string(value), o.TTL)
		}))
	}
	return errors.Join(errs...)
}

// put writes a node unless it is there already, and renews its lease.
func (r *Registry) put(ctx context.Context, c *clientv3.Client, key, value string, ttl time.Duration) error {
	if ttl <= 0 {
		_, err := c.Put(ctx, key, value)
		return err
	}
	lease := r.lease(key)
	if lease != clientv3.NoLease {
		err := write(ctx, c, key, value, lease)
		if err == nil {
			_, err = c.KeepAliveOnce(ctx, lease)
		}
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return err
		}
	}
	granted, err := c.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return err
	}
	if err := write(ctx, c, key, value, granted.ID); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases[key] = granted.ID
	return nil
}

// write tells nobody who watches of what is there already.
func write(ctx context.Context, c *clientv3.Client, key, value string, lease clientv3.LeaseID) error {
	_, err := c.Txn(ctx).
		If(clientv3.Compare(clientv3.Value(key), "=", value), clientv3.Compare(clientv3.LeaseValue(key), "=", lease)).
		Else(clientv3.OpPut(key, value, clientv3.WithLease(lease))).
		Commit()
	return err
}

func (r *Registry) lease(key string) clientv3.LeaseID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leases[key]
}

// Deregister implements registry.Registry.
func (r *Registry) Deregister(s *registry.Service, _ ...registry.DeregisterOption) error {
	var errs []error
	for _, n := range s.Nodes {
		k := key(s.Name, n.Id)
		lease := r.lease(k)
		r.mu.Lock()
		delete(r.leases, k)
		r.mu.Unlock()
		errs = append(errs, r.ask(func(ctx context.Context, c *clientv3.Client) error {
			if _, err := c.Delete(ctx, k); err != nil || lease == clientv3.NoLease {
				return err
			}
			if _, err := c.Revoke(ctx, lease); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
				return err
			}
			return nil
		}))
	}
	return errors.Join(errs...)
}

// GetService implements registry.Registry.
func (r *Registry) GetService(name string, _ ...registry.GetOption) ([]*registry.Service, error) {
	all, err := r.list(key(name, ""), clientv3.WithSerializable()) // of any member: one that has lost the others still knows much
	if err != nil {
		return nil, err
	}
	var found []*registry.Service
	for _, s := range all {
		if s.Name == name { // a/b and a-b have the same key
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, registry.ErrNotFound
	}
	return found, nil
}

// ListServices implements registry.Registry. It is what there is, or fails: who compares lists
// would take what a member knows that has lost the others for what has become of services.
func (r *Registry) ListServices(...registry.ListOption) ([]*registry.Service, error) {
	return r.list(prefix)
}

func (r *Registry) list(prefix string, opts ...clientv3.OpOption) ([]*registry.Service, error) {
	var all []*registry.Service
	err := r.ask(func(ctx context.Context, c *clientv3.Client) error {
		rsp, err := c.Get(ctx, prefix, append(opts, clientv3.WithPrefix())...)
		if err != nil {
			return err
		}
		for _, kv := range rsp.Kvs {
			if s := decode(kv.GetValue()); s != nil {
				all = append(all, s)
			}
		}
		return nil
	})
	return record.Merge(all), err
}

// Close ends what the registry has begun. What is registered stays until its TTL is over.
func (r *Registry) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		return nil
	}
	if err := r.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd's client: %w", err)
	}
	return nil
}

// Init implements registry.Registry: everything is in the URL.
func (r *Registry) Init(...registry.Option) error { return nil }

// Options implements registry.Registry.
func (r *Registry) Options() registry.Options { return registry.Options{} }

func (r *Registry) String() string { return "etcd" }

// key is where a node stands. Without an ID it is what the keys of a service begin with.
func key(service, id string) string {
	flat := strings.NewReplacer("/", "-")
	return path.Join(prefix, flat.Replace(service)) + "/" + flat.Replace(id)
}

// decode returns nil for what is no service.
func decode(b []byte) *registry.Service {
	var s *registry.Service
	if err := json.Unmarshal(b, &s); err != nil || s == nil || len(s.Nodes) == 0 {
		return nil
	}
	return s
}
