// Package memcached keeps items in memcached servers, which several kv-srv may share for
// as long as their clocks agree. What is there is a cache: a server forgets when it is
// full, and everything when it ends.
package memcached

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/micro/platform/internal/serverurl"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/patience"
	"github.com/micro/platform/kv-srv/internal/store/turns"
)

// idle is how many connections to each server may wait for the next call.
const idle = 128

// Store keeps items in memcached. Its methods may be called at once.
type Store struct {
	change.Writer

	client  *memcache.Client
	servers servers
	turns   *turns.Turns
	calls   sync.WaitGroup // some of them nobody waits for any more
}

var _ store.BatchGetter = (*Store)(nil)

// Open returns a store in the servers that a URL names: memcached://a:11211,b:11211. It
// fails for a wrong URL; servers that are away do no harm until they are asked.
func Open(u *url.URL) (*Store, error) {
	const example = "memcached://a:11211,b:11211"
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("memcached: takes nothing but hosts: " + example)
	}
	hosts, err := serverurl.Hosts(u, example)
	if err != nil {
		return nil, err
	}
	s := &Store{servers: newServers(hosts), turns: turns.New()}
	s.Do = s.do
	s.client = memcache.NewFromSelector(s.servers)
	s.client.Timeout, s.client.MaxIdleConns = patience.Most, idle
	return s, nil
}

// ask does a request to the server of a key. gomemcache knows no ctx: when that is done,
// the request goes on without a caller.
func ask[T any](ctx context.Context, s *Store, key string, request func() (T, error)) (answer T, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	inner, cancel := patience.Within(ctx)
	defer cancel()
	type result struct {
		answer T
		err    error
	}
	done := make(chan result, 1)
	s.calls.Go(func() {
		answer, err := request()
		done <- result{answer, err}
	})
	select {
	case r := <-done:
		return r.answer, s.meaning(key, r.err)
	case <-inner.Done():
		if ctx.Err() != nil {
			return answer, ctx.Err()
		}
		return answer, fmt.Errorf("memcached at %s: no answer in time", s.servers.of(key))
	}
}

// List implements store.Store.
func (s *Store) List(context.Context, string, store.Query) (store.Page, error) {
	return store.Page{}, cannot("list")
}

// DeletePrefix implements store.Store.
func (s *Store) DeletePrefix(context.Context, string, string) (int, error) {
	return 0, cannot("delete a prefix")
}

// Namespaces implements store.Store.
func (s *Store) Namespaces(context.Context, store.NamespaceQuery) (store.NamespacePage, error) {
	return store.NamespacePage{}, cannot("list namespaces")
}

// Watch implements store.Store.
func (s *Store) Watch(context.Context, string, string, uint64, func(store.Event) error) error {
	return cannot("watch")
}

func cannot(op string) error {
	return &store.UnsupportedError{Backend: "memcached", Op: op, Have: []string{"memory", "disk", "redis", "etcd", "consul"}}
}

// Ready implements store.Store. Each server must answer.
func (s *Store) Ready(ctx context.Context) error {
	_, err := ask(ctx, s, "", func() (struct{}, error) { return struct{}{}, s.client.Ping() })
	return err
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.calls.Wait()
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close the connections to memcached: %w", err)
	}
	return nil
}
