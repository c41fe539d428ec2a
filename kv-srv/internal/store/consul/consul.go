// Package consul keeps items in Consul's key-value store, which several kv-srv may share.
// Their clocks must agree: an item ends by the clock of the one that is asked.
package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/alarm"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/patience"
	"github.com/micro/platform/kv-srv/internal/store/turns"
)

var errClosed = errors.New("the store is closed")

// Store keeps items in Consul. Its methods may be called at once.
type Store struct {
	change.Writer

	client    *api.Client
	transport *http.Transport
	where     string // host:port
	keys      keys

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	works  sync.WaitGroup

	items    *turns.Turns   // of keys
	logs     *turns.Turns   // of namespaces; taken last
	versions recent[uint64] // of items, 0 of one that was removed
	heads    recent[head]   // of namespaces
	clock    *alarm.Clock
}

var _ store.BatchGetter = (*Store)(nil)

// Open returns a store in the Consul that a URL names: consul://:token@host:8500/prefix.
// It fails for a wrong URL and for files that cannot be read; for a Consul that is away
// it does not.
func Open(ctx context.Context, u *url.URL) (*Store, error) {
	client, transport, root, err := dial(u)
	if err != nil {
		return nil, err
	}
	s := &Store{
		client: client, transport: transport, where: u.Host, keys: keys{root},
		items: turns.New(), logs: turns.New(), clock: alarm.NewClock(),
	}
	s.Do = s.do
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.works.Go(func() { s.clock.Run(s.ctx, s.ring) })
	return s, nil
}

// ask does one request, within patience.
func ask[T any](ctx context.Context, s *Store, request func(*api.QueryOptions) (T, error)) (answer T, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	inner, cancel := patience.Within(ctx)
	defer cancel()
	answer, err = request((&api.QueryOptions{RequireConsistent: true}).WithContext(inner))
	return answer, s.meaning(ctx, err)
}

// meaning is what an error of Consul's client means to a caller.
func (s *Store) meaning(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return errClosed
	}
	return fmt.Errorf("consul at %s: %w", s.where, err)
}

// Ready implements store.Store.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.now(ctx)
	return err
}

// now returns the index of the last change to any key in Consul.
func (s *Store) now(ctx context.Context) (uint64, error) {
	return ask(ctx, s, func(q *api.QueryOptions) (uint64, error) {
		_, meta, err := s.client.KV().Get(s.keys.nothing(), q)
		if err != nil {
			return 0, err
		}
		return max(meta.LastIndex, 1), nil
	})
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.cancel()
	s.works.Wait()
	s.transport.CloseIdleConnections()
	return nil
}
