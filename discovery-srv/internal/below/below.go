// Package below keeps a go-micro registry in step with a write node: what is registered
// here is put there, and what others put there is seen here.
package below

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go-micro.dev/v5/registry"
	"golang.org/x/sync/errgroup"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/registries/record"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Write is the write side, as it is told of the registry. Its methods return once it knows.
type Write interface {
	// Seen says what stands there of an instance. Mine: this node has put it there.
	Seen(ctx context.Context, id catalog.ID, i *discoverypb.Instance, mine bool)
	// Unseen says that nothing does.
	Unseen(ctx context.Context, id catalog.ID)
}

// Options are fixed when a registry is opened.
type Options struct {
	Registry registry.Registry
	Remote   bool          // on servers, which may be away for long
	Keeps    bool          // what is put there outlives this process, for a while
	Watches  bool          // it tells of changes; else it is asked for all, every Look
	Look     time.Duration // how often it is asked for all
	Owner    string        // this node
	Log      *slog.Logger
}

// Below implements registrar.Below. Its methods may be called at once.
type Below struct {
	opts Options

	mu   sync.Mutex
	mine map[catalog.ID]*mine
	away error // why the registry is not reached; nil: it is

	peers map[catalog.ID]peer // by what they have put there

	looked atomic.Bool
}

// mine is an instance that this node has put there, or is to.
type mine struct {
	mu       sync.Mutex // held while the registry is told
	services []*registry.Service
	next     time.Time // when it is to be put again
	failures int

	gone atomic.Bool // it is put there no more
}

const (
	// keep is how long a record stays that nobody renews, and renew how often it is.
	keep  = 90 * time.Second
	renew = keep / 3

	// together is how many records are written at once.
	together = 16

	// turn is how often Run looks for records to renew.
	turn = time.Second
)

// New returns what keeps a registry in step, with Run.
func New(o Options) *Below {
	return &Below{opts: o, mine: map[catalog.ID]*mine{}, peers: map[catalog.ID]peer{}}
}

// Away is why the registry is not reached, or "".
func (b *Below) Away() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away == nil {
		return ""
	}
	return b.away.Error()
}

// Looked tells whether all that is there was ever read.
func (b *Below) Looked() bool { return b.looked.Load() }

// told notes what became of a request to the registry.
func (b *Below) told(err error) {
	if record.Err(err) != nil {
		return // it was not asked
	}
	if err != nil && errors.Is(err, registry.ErrNotFound) {
		err = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && b.away == nil:
		b.opts.Log.Warn("the registry below is away, and will be tried again", "registry", b.opts.Registry.String(), "error", err)
	case err == nil && b.away != nil:
		b.opts.Log.Info("the registry below is back", "registry", b.opts.Registry.String())
	}
	b.away = err
}

// Put implements registrar.Below.
func (b *Below) Put(_ context.Context, id catalog.ID, i *discoverypb.Instance, proof string) (kept bool) {
	s, err := encode(id.Name, i, peer{b.opts.Owner, proof})
	if err != nil {
		return false
	}
	m := b.own(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(s)
	if b.hangs() {
		m.next = time.Now() // Run's turn
		return false
	}
	return b.write(m) == nil && b.opts.Keeps
}

// hangs tells that whoever waits for the registry now is likely to wait in vain.
func (b *Below) hangs() bool { return b.opts.Remote && b.Away() != "" }

// set has a record written next. Those before it are remembered while they may be there,
// one of each name.
func (m *mine) set(s *registry.Service) {
	before := m.services
	m.services = []*registry.Service{s}
	for _, old := range before {
		if !slices.ContainsFunc(m.services[1:], func(o *registry.Service) bool { return o.Name == old.Name }) {
			m.services = append(m.services, old)
		}
	}
}

// own is where an instance of this node is kept.
func (b *Below) own(id catalog.ID) *mine {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mine[id]
	if m == nil {
		m = &mine{}
		b.mine[id] = m
	}
	return m
}

// write puts the latest record there, and takes away those before that stand under another
// name: then, so that it stands somewhere all the time. It is called under m.mu.
func (b *Below) write(m *mine) error {
	latest := m.services[0]
	var errs []error
	for _, s := range m.services[1:] {
		if s.Name == latest.Name && !b.opts.Keeps && !b.opts.Watches { // mDNS does not replace
			errs = append(errs, b.opts.Registry.Deregister(s))
		}
	}
	errs = append(errs, b.opts.Registry.Register(latest, registry.RegisterTTL(keep)))
	for _, s := range m.services[1:] {
		// NATS replaces those of one version.
		if s.Name != latest.Name || !b.opts.Keeps && b.opts.Watches && s.Version != latest.Version {
			errs = append(errs, b.opts.Registry.Deregister(s))
		}
	}
	err := errors.Join(errs...)
	b.told(err)
	m.next = time.Now().Add(renew)
	if err != nil {
		if m.failures == 0 && record.Err(err) != nil {
			b.opts.Log.Warn("an instance cannot stand in the registry below", "service", latest.Name, "node", latest.Nodes[0].Id, "error", err)
		}
		m.failures++
		m.next = time.Now().Add(min(time.Duration(m.failures)*turn, renew))
		return err
	}
	m.failures, m.services = 0, m.services[:1]
	return nil
}

// Remove implements registrar.Below. What it cannot remove now is found again by Run, or
// runs out.
func (b *Below) Remove(_ context.Context, id catalog.ID, i *discoverypb.Instance) {
	b.mu.Lock()
	m := b.mine[id]
	delete(b.mine, id)
	b.mu.Unlock()
	if b.hangs() {
		if m != nil {
			m.gone.Store(true) // and is found again if it is just being put
		}
		return
	}
	if m == nil {
		s, err := encode(id.Name, i, peer{owner: b.opts.Owner})
		if err == nil {
			err = b.opts.Registry.Deregister(s)
		}
		b.told(err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone.Store(true)
	for _, s := range m.services {
		b.told(b.opts.Registry.Deregister(s))
	}
}

// Run keeps the registry in step until ctx is done.
func (b *Below) Run(ctx context.Context, w Write) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.renew(ctx) })
	g.Go(func() error { return (&look{below: b, write: w}).run(ctx) })
	return g.Wait()
}

// renew puts records again before they run out, and those that could not be put.
func (b *Below) renew(ctx context.Context) error {
	tick := time.NewTicker(turn)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var g errgroup.Group
		g.SetLimit(together)
		for _, m := range b.due() {
			if ctx.Err() != nil {
				break
			}
			g.Go(func() error {
				m.mu.Lock()
				defer m.mu.Unlock()
				if !m.gone.Load() && len(m.services) > 0 {
					_ = b.write(m) // told has it
				}
				return nil
			})
		}
		_ = g.Wait() // it has no errors
	}
}

func (b *Below) due() (all []*mine) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mine {
		if m.mu.TryLock() { // else it is being written
			if !m.next.IsZero() && m.next.Before(now) {
				all = append(all, m)
			}
			m.mu.Unlock()
		}
	}
	return all
}

// Close takes away all that this node has put there, in time or not.
func (b *Below) Close(ctx context.Context) {
	b.mu.Lock()
	all := b.mine
	b.mine = map[catalog.ID]*mine{}
	b.mu.Unlock()
	if b.opts.Remote {
		return // others may know the instances by that: it runs out, or they are registered elsewhere
	}
	for _, m := range all {
		if ctx.Err() != nil {
			return
		}
		b.retire(m)
	}
}

func (b *Below) retire(m *mine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone.Store(true)
	for _, s := range m.services {
		_ = b.opts.Registry.Deregister(s) // it goes with this process in any case
	}
}
