// Package fleet keeps an eye on every instance of every service that a registry has.
package fleet

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs"
)

// Config is what a fleet is made of.
type Config struct {
	Registry registry.Registry

	// Static are instances that the registry may not have: host:port by the name of
	// their service.
	Static map[string][]string

	Secure *certs.Source // instances are asked by TLS, unless nil
	Log    *slog.Logger
	Now    func() time.Time // nil is time.Now
}

// A Fleet is what is known of all instances. All its methods but Run may be called at
// once, before Run, too.
type Fleet struct {
	registry  registry.Registry
	static    map[string][]string
	log       *slog.Logger
	now       func() time.Time
	transport *http.Transport

	looking, listing turn
	watched, stale   chan struct{} // a token each: somebody watches now; the registry has news
	news             atomic.Bool   // that of stale has not been listed yet

	mu        sync.Mutex
	asked     bool // the registry, and who it has, once
	instances map[key]*instance
	histories map[string]*history
	watchers  map[chan struct{}]struct{}
	away      error // why the registry cannot be asked
	over      error // why not all that it has is watched
}

// key tells instances apart: a process is one, however often it is registered.
type key struct{ service, address string }

// New returns a fleet that knows nothing yet: it begins with Run, or with Look.
func New(c Config) *Fleet {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Fleet{
		registry: c.Registry, static: c.Static, log: c.Log, now: c.Now, transport: newTransport(c.Secure),
		looking: newTurn(), listing: newTurn(),
		watched: make(chan struct{}, 1), stale: make(chan struct{}, 1),
		instances: map[key]*instance{}, histories: map[string]*history{}, watchers: map[chan struct{}]struct{}{},
	}
}

// Watch says until release that somebody watches: instances are looked at every second
// by then. changed has a token at once, and after each change that Services or History
// has; several may be one.
func (f *Fleet) Watch() (changed <-chan struct{}, release func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	f.mu.Lock()
	f.watchers[c] = struct{}{}
	f.mu.Unlock()
	put(f.watched)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, c)
	}
}

// tell wakes who watches. The caller holds mu.
func (f *Fleet) tell() {
	for c := range f.watchers {
		put(c)
	}
}

func (f *Fleet) isWatched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers) > 0
}

// put leaves a token, unless there is one.
func put(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Services returns what is known, without a wait: by name, and the instances by
// address. It is nil until the registry was asked once, and who it has was looked at.
// Endpoints and Metadata are shared: nobody may change them.
func (f *Fleet) Services() []Service {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.asked {
		return nil
	}
	all := []Service{}
	for _, k := range slices.SortedFunc(maps.Keys(f.instances), key.compare) {
		i := f.instances[k]
		if i.looked.IsZero() {
			continue
		}
		if len(all) == 0 || all[len(all)-1].Name != k.service {
			all = append(all, Service{Name: k.service})
		}
		s := &all[len(all)-1]
		s.Instances = append(s.Instances, i.Instance)
	}
	return all
}

// Err returns why the registry cannot be asked, or why not all that it has is watched;
// nil where all is well. What was registered before goes on to be looked at.
func (f *Fleet) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.away, f.over)
}

// History returns the load of a service over the last ten minutes, oldest first: a point
// for each look. It is nil for one that is not there, and beyond 200 services.
func (f *Fleet) History(service string) []Point {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.histories[service]; h != nil {
		return slices.Clone(h.points)
	}
	return nil
}

// Look asks the registry and the instances now, and returns what Err does then. Of those
// that were away it asks as many as there is time for. One look is under way at a time,
// and is that of all who wait for it to begin. A registry that does not answer takes the
// time that it has for that: its calls know no context.
func (f *Fleet) Look(ctx context.Context) error {
	if err := f.listing.share(ctx, time.Now(), f.list); err != nil {
		return err
	}
	if err := f.looking.share(ctx, time.Now(), f.lookAtAll); err != nil {
		return err
	}
	f.noteAsked()
	return f.Err()
}

// noteAsked has Services tell.
func (f *Fleet) noteAsked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.asked {
		f.asked = true
		f.tell()
	}
}
