// Package nats is a registry among those who are connected to the same NATS servers: each
// answers for what it has registered, as go-micro's own does.
package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/record"
	"github.com/micro/platform/internal/registries/servers"
)

const (
	// patience is how long one request to the servers may take.
	patience = 2 * time.Second

	// A lookup ends after silence, or, if nobody has answered, after most.
	silence = 100 * time.Millisecond
	most    = 500 * time.Millisecond

	queries       = "micro.nats.query"
	announcements = "micro.nats.watch"

	get  = "get"
	list = "list"
)

// Registry implements registry.Registry. What is registered is so until it is deregistered,
// its TTL is over without a renewal, of which nobody is told, or Close: who has ended does not
// answer.
type Registry struct {
	where   string
	connect func() (*nats.Conn, error)

	mu       sync.Mutex
	conn     *nats.Conn
	services map[string]own // by name, version and node

	refused atomic.Pointer[error] // why the last attempt to connect has failed

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
}

// own is what is registered here.
type own struct {
	service *registry.Service
	until   time.Time // zero: for ever
}

var _ registry.Registry = (*Registry)(nil)

// Open returns a registry on servers, which may be away.
func Open(ctx context.Context, s servers.Servers) *Registry {
	r := &Registry{where: "nats at " + s.String(), services: map[string]own{}}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	o := nats.GetDefaultOptions()
	for _, host := range s.Hosts {
		o.Servers = append(o.Servers, "nats://"+host)
	}
	o.Name = "micro-platform"
	o.User, o.Password = s.User, s.Password
	o.Secure, o.TLSConfig = s.TLS != nil, s.TLS
	o.Timeout = patience
	o.RetryOnFailedConnect, o.MaxReconnect, o.IgnoreAuthErrorAbort = true, -1, true
	o.ReconnectWait, o.ReconnectJitter = 500*time.Millisecond, 100*time.Millisecond
	o.PingInterval, o.MaxPingsOut = 5*time.Second, 2
	o.ReconnectBufSize = -1                                         // what cannot be sent now is said again later
	o.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {} // it would write to stderr
	o.ReconnectErrCB = func(_ *nats.Conn, err error) { r.refused.Store(&err) }
	o.ReconnectedCB = func(*nats.Conn) { r.refused.Store(nil) }
	r.connect = o.Connect
	return r
}

// connection returns the connection, which mends itself. Its error says why there is none
// now.
func (r *Registry) connection() (*nats.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", r.where, r.ctx.Err())
	}
	if r.conn == nil {
		conn, err := r.connect()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.where, err)
		}
		if _, err := conn.Subscribe(queries, r.answer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: %w", r.where, err)
		}
		r.conn = conn
	}
	if !r.conn.IsConnected() {
		err := r.conn.LastError()
		if why := r.refused.Load(); why != nil {
			err = *why
		}
		if err == nil {
			err = nats.ErrDisconnected
		}
		return nil, fmt.Errorf("%s: %w", r.where, err)
	}
	return r.conn, nil
}

// answer tells who asks what is registered here.
func (r *Registry) answer(m *nats.Msg) {
	var asked registry.Result
	if err := json.Unmarshal(m.Data, &asked); err != nil || m.Reply == "" {
		return
	}
	if asked.Action != list && (asked.Action != get || asked.Service == nil) {
		return
	}
	for _, s := range r.mine() {
		if asked.Action == get && s.Name != asked.Service.Name {
			continue
		}
		if b, err := json.Marshal(s); err == nil { // it was, when it was registered
			_ = m.Respond(b) // or who has asked asks again
		}
	}
}

func (r *Registry) mine() []*registry.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.services, func(_ string, o own) bool { return !o.until.IsZero() && now.After(o.until) })
	var all []*registry.Service
	for _, o := range r.services {
		all = append(all, o.service)
	}
	return record.Merge(all)
}

// Register implements registry.Registry.
func (r *Registry) Register(s *registry.Service, opts ...registry.RegisterOption) error {
	if err := record.Check(s); err != nil {
		return err
	}
	var o registry.RegisterOptions
	for _, opt := range opts {
		opt(&o)
	}
	var until time.Time
	if o.TTL > 0 {
		until = time.Now().Add(o.TTL)
	}
	r.mu.Lock()
	for _, n := range s.Nodes {
		r.services[id(s, n)] = own{record.Of(s, n), until}
	}
	r.mu.Unlock()
	return r.announce(record.Create, s) // and answers from now on, connected or not
}

// Deregister implements registry.Registry.
func (r *Registry) Deregister(s *registry.Service, _ ...registry.DeregisterOption) error {
	r.mu.Lock()
	for _, n := range s.Nodes {
		delete(r.services, id(s, n))
	}
	r.mu.Unlock()
	return r.announce(record.Delete, s)
}

func (r *Registry) announce(action string, s *registry.Service) error {
	conn, err := r.connection()
	if err != nil {
		return err
	}
	b, err := json.Marshal(&registry.Result{Action: action, Service: s})
	if err == nil {
		err = conn.Publish(announcements, b)
	}
	if err == nil {
		err = conn.FlushTimeout(patience)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.where, err)
	}
	return nil
}

// GetService implements registry.Registry.
func (r *Registry) GetService(name string, _ ...registry.GetOption) ([]*registry.Service, error) {
	found, err := r.query(&registry.Result{Action: get, Service: &registry.Service{Name: name}})
	if err == nil && len(found) == 0 {
		err = registry.ErrNotFound
	}
	return found, err
}

// ListServices implements registry.Registry.
func (r *Registry) ListServices(...registry.ListOption) ([]*registry.Service, error) {
	return r.query(&registry.Result{Action: list})
}

// query asks everybody.
func (r *Registry) query(q *registry.Result) ([]*registry.Service, error) {
	conn, err := r.connection()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.where, err)
	}
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.where, err)
	}
	defer func() { _ = answers.Unsubscribe() }() // fails with the connection
	if err := conn.PublishRequest(queries, inbox, b); err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.where, err)
	}
	all, err := collect(r.ctx, answers)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.where, err)
	}
	return record.Merge(all), nil
}

// collect reads answers until there are no more.
func collect(ctx context.Context, answers *nats.Subscription) ([]*registry.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, patience) // however many there are
	defer cancel()
	var all []*registry.Service
	for pause := most; ; {
		next, cancel := context.WithTimeout(ctx, pause)
		m, err := answers.NextMsgWithContext(next)
		over := next.Err()
		cancel()
		switch {
		case errors.Is(over, context.DeadlineExceeded):
			return all, nil
		case err != nil:
			return nil, err
		}
		if m.Header.Get("Status") == "503" { // nobody there to ask
			return nil, nil
		}
		var s *registry.Service
		if err := json.Unmarshal(m.Data, &s); err == nil && s != nil && len(s.Nodes) > 0 {
			all = append(all, s)
			pause = silence
		}
	}
}

// Close ends what the registry has begun. What was registered is gone.
func (r *Registry) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		r.conn.Close()
	}
	return nil
}

// Init implements registry.Registry: everything is in the URL.
func (r *Registry) Init(...registry.Option) error { return nil }

// Options implements registry.Registry.
func (r *Registry) Options() registry.Options { return registry.Options{} }

func (r *Registry) String() string { return "nats" }

func id(s *registry.Service, n *registry.Node) string {
	return s.Name + "\x00" + s.Version + "\x00" + n.Id
}
