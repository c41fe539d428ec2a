// Package redis keeps items in Redis, in a cluster of it, or where Sentinels say that its
// master is. Several kv-srv may share it.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/micro/platform/kv-srv/internal/store"
)

// How many connections there may be to each server, for calls and for watched namespaces.
const (
	forCalls   = 64
	forWatches = 8192
)

var errClosed = errors.New("the store is closed")

// Store keeps items in Redis. Its methods may be called at once.
type Store struct {
	where   string // for errors: "redis at host:6379"
	client  redis.UniversalClient
	waiting redis.UniversalClient // whose requests wait for changes
	scripts scripts

	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	works  sync.WaitGroup
	alarms alarms
	index  index

	mu    sync.Mutex
	feeds map[string]*feed // by namespace
}

var _ store.BatchGetter = (*Store)(nil)

// Open returns a store at the URL that address describes. It fails for a wrong URL and for
// files that cannot be read; a server that is away it waits for.
func Open(ctx context.Context, u *url.URL) (*Store, error) {
	a, err := parse(u)
	if err != nil {
		return nil, err
	}
	logging.Disable() // what fails is told by who meets it
	s := &Store{
		where:   "redis at " + strings.Join(a.hosts, ", "),
		client:  a.connect(forCalls),
		waiting: a.connect(forWatches),
		scripts: newScripts(),
		alarms:  newAlarms(),
		feeds:   make(map[string]*feed),
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.works.Go(s.sweep)
	return s, nil
}

// moved lets the client look again who has which slot of a cluster.
func (s *Store) moved() {
	for _, client := range []redis.UniversalClient{s.client, s.waiting} {
		if c, ok := client.(*redis.ClusterClient); ok {
			c.ReloadState(s.ctx)
		}
	}
}

// Ready implements store.Store. Each master must answer, and keep what it is given.
func (s *Store) Ready(ctx context.Context) error {
	inner, cancel, err := hurry(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(inner, func(ctx context.Context, node *redis.Client) error {
			state, err := node.ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(state, "cluster_state:ok") {
				err = errors.New("its cluster is down")
			}
			if err == nil {
				err = keeps(ctx, node)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", node.Options().Addr, err)
			}
			return nil
		})
	case *redis.Client:
		err = keeps(inner, c)
	}
	if err != nil {
		return s.meaning(ctx, err)
	}
	return nil
}

// keeps returns an error for a server that gives items up when it is full.
func keeps(ctx context.Context, c *redis.Client) error {
	memory, err := c.InfoMap(ctx, "memory").Result()
	if err != nil {
		return err
	}
	m := memory["Memory"]
	if policy := m["maxmemory_policy"]; policy != "noeviction" && m["maxmemory"] != "0" {
		return fmt.Errorf("maxmemory-policy is %s, want noeviction: others give up versions and keys", policy)
	}
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.cancel()
	err := errors.Join(s.client.Close(), s.waiting.Close())
	s.works.Wait()
	if err != nil {
		return fmt.Errorf("close the client of redis: %w", err)
	}
	return nil
}
