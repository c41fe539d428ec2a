package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
)

// indexKey has the index of the namespaces that items were ever written to: a sorted set, in
// the order of their names. It has a slot of its own.
const indexKey = "kv:names"

const (
	maxIndexed = 10000 // how many names a process remembers; others cost a request with each write
	together   = 512   // names in one request
)

// index is what a process has put into the index. The zero value is ready.
type index struct {
	mu    sync.Mutex
	known map[string]bool
}

func (x *index) knows(namespace string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.known[namespace]
}

func (x *index) know(namespace string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known == nil || len(x.known) >= maxIndexed {
		x.known = make(map[string]bool)
	}
	x.known[namespace] = true
}

// members returns what is known.
func (x *index) members() []redis.Z {
	x.mu.Lock()
	defer x.mu.Unlock()
	members := make([]redis.Z, 0, len(x.known))
	for namespace := range x.known {
		members = append(members, redis.Z{Member: namespace})
	}
	return members
}

// enlist puts a namespace into the index before an item is made in it.
func (s *Store) enlist(ctx context.Context, namespace string) error {
	if s.index.knows(namespace) {
		return nil
	}
	inner, cancel, err := hurry(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.client.ZAdd(inner, indexKey, redis.Z{Member: namespace}).Err(); err != nil {
		return s.meaning(ctx, err)
	}
	s.index.know(namespace)
	return nil
}

// enlistAgain puts into the index what this process has put there before, lest Redis has
// lost it. No write waits for that.
func (s *Store) enlistAgain() {
	for some := range slices.Chunk(s.index.members(), together) {
		if s.add(some) != nil {
			return // tried again with the next look; Ready says why
		}
	}
}

func (s *Store) add(members []redis.Z) error {
	ctx, cancel, err := hurry(s.ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return s.client.ZAdd(ctx, indexKey, members...).Err()
}

// Namespaces implements store.Store. Redis counts their keys, and nobody their bytes.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (page store.NamespacePage, err error) {
	from, to := "["+q.From, "+"
	if q.From == "" {
		from = "-"
	}
	if q.To != "" {
		to = "(" + q.To
	}
	for from != "" {
		some, err := s.indexed(ctx, from, to, min(together, q.Limit-len(page.Namespaces)+1))
		if err != nil {
			return store.NamespacePage{}, err
		}
		from = some.next
		for _, n := range some.namespaces {
			if page.More = len(page.Namespaces) == q.Limit; page.More {
				return page, nil
			}
			page.Namespaces = append(page.Namespaces, n)
		}
	}
	return page, nil
}

// indexedPage is a part of the index.
type indexedPage struct {
	namespaces []store.Namespace // that hold items
	next       string            // where to go on; "": nowhere
}

// indexed reads a part of the index, and how many keys the namespaces have.
func (s *Store) indexed(ctx context.Context, from, to string, count int) (page indexedPage, err error) {
	inner, cancel, err := hurry(ctx)
	if err != nil {
		return page, err
	}
	defer cancel()
	found, err := s.client.ZRangeByLex(inner, indexKey, &redis.ZRangeBy{Min: from, Max: to, Count: int64(count)}).Result()
	if err != nil {
		return page, s.meaning(ctx, err)
	}
	if len(found) == count {
		page.next = "(" + found[count-1]
	}
	pipe := s.client.Pipeline()
	counts := make([]*redis.IntCmd, len(found))
	for i, namespace := range found {
		counts[i] = pipe.ZCard(inner, root(namespace)+":keys")
	}
	if _, err := pipe.Exec(inner); err != nil {
		return page, s.meaning(ctx, err)
	}
	for i, namespace := range found {
		if keys := counts[i].Val(); keys > 0 {
			page.namespaces = append(page.namespaces, store.Namespace{Name: namespace, Keys: keys, Bytes: -1})
		}
	}
	return page, nil
}
