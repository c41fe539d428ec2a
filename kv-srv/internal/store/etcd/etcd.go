// Package etcd keeps items in an etcd cluster, which several kv-srv may share. Their
// clocks must agree: an item ends by the clock of the one that is asked.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/alarm"
	"github.com/micro/platform/kv-srv/internal/store/patience"
	"github.com/micro/platform/kv-srv/internal/store/turns"
)

var errClosed = errors.New("the store is closed")

// Store keeps items in etcd. Its methods may be called at once.
type Store struct {
	config clientv3.Config
	keys   keys

	connected chan struct{} // closed when client is there
	client    *clientv3.Client
	refused   atomic.Pointer[error] // why it is not yet

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	works  sync.WaitGroup

	requests leases // of request IDs
	markers  leases // of the marks of expired items
	enlisted lately // which namespaces the index has
	turns    *turns.Turns
	clock    *alarm.Clock
}

var _ store.BatchGetter = (*Store)(nil)

// Open returns a store in the cluster that a URL names: etcd://a:2379,b:2379/prefix. It
// fails for a wrong URL and for files that cannot be read; a cluster that is away it
// waits for.
func Open(ctx context.Context, u *url.URL) (*Store, error) {
	config, root, err := parse(u)
	if err != nil {
		return nil, err
	}
	s := &Store{
		config:    config,
		keys:      keys{root},
		connected: make(chan struct{}),
		requests:  newLeases(store.RequestMemory+3*requestPeriod, requestPeriod),
		markers:   newLeases(2*markerPeriod, markerPeriod),
		turns:     turns.New(),
		clock:     alarm.NewClock(),
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.config.Context = s.ctx
	s.works.Go(s.work)
	return s, nil
}

// work connects and then removes what is past its time, until the store is closed.
func (s *Store) work() {
	for s.ctx.Err() == nil {
		client, err := clientv3.New(s.config)
		if err == nil {
			s.client = client
			close(s.connected)
			s.clock.Run(s.ctx, s.ring)
			return
		}
		s.refused.Store(&err)
		wait(s.ctx, time.Second)
	}
}

// wait waits, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// connection returns the client, or why etcd has refused it the last time.
func (s *Store) connection(ctx context.Context) (*clientv3.Client, error) {
	select {
	case <-s.connected:
		return s.client, nil
	default:
	}
	if why := s.refused.Load(); why != nil {
		return nil, *why
	}
	select {
	case <-s.connected:
		return s.client, nil
	case <-s.ctx.Done():
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask does one request, within patience.
func ask[T any](ctx context.Context, s *Store, request func(context.Context, *clientv3.Client) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	inner, cancel := patience.Within(ctx)
	defer cancel()
	client, err := s.connection(inner)
	if err != nil {
		return none, s.meaning(ctx, err)
	}
	answer, err := request(inner, client)
	if err != nil {
		return none, s.meaning(ctx, err)
	}
	return answer, nil
}

// Ready implements store.Store.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.revision(ctx)
	return err
}

// revision returns that of the last change in the cluster.
func (s *Store) revision(ctx context.Context) (int64, error) {
	rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
		return c.Get(ctx, s.keys.root, clientv3.WithCountOnly())
	})
	if err != nil {
		return 0, err
	}
	return rsp.Header.GetRevision(), nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.cancel()
	s.works.Wait()
	select {
	case <-s.connected:
	default:
		return nil
	}
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd's client: %w", err)
	}
	return nil
}
