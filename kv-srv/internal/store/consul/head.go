package consul

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/hashicorp/consul/api"
)

// head is the end of the log of a namespace.
type head struct {
	number uint64 // of the last change; 0: there was none
	index  uint64 // Consul's, of that change; 0: there was none
}

func headOf(pair *api.KVPair) (head, error) {
	if pair == nil {
		return head{}, nil
	}
	number, err := strconv.ParseUint(string(pair.Value), 10, 64)
	if err != nil {
		return head{}, fmt.Errorf("%q is not one of ours: %w", pair.Key, err)
	}
	return head{number, pair.ModifyIndex}, nil
}

// heads remembers where the last changes were, which others may have moved since.
type heads struct {
	mu sync.Mutex
	of map[string]head
}

func (h *heads) get(namespace string) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.of[namespace]
	return at, ok
}

// maxHeads is how many namespaces are remembered. The others cost a read each time.
const maxHeads = 10000

func (h *heads) set(namespace string, at head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || len(h.of) >= maxHeads {
		h.of = make(map[string]head)
	}
	h.of[namespace] = at
}

func (h *heads) forget(namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.of, namespace)
}

// head returns the head of a namespace: the one that is remembered, or else Consul's.
func (s *Store) head(ctx context.Context, namespace string) (head, error) {
	if at, ok := s.heads.get(namespace); ok {
		return at, nil
	}
	return s.readHead(ctx, namespace)
}

func (s *Store) readHead(ctx context.Context, namespace string) (head, error) {
	pairs, err := s.read(ctx, s.keys.head(namespace))
	if err != nil {
		return head{}, err
	}
	return headOf(pairs[0])
}

// last returns the head of a namespace. Of one without changes it has an index before the
// first of them.
func (s *Store) last(ctx context.Context, namespace string) (head, error) {
	at, err := s.readHead(ctx, namespace)
	if err != nil || at.index != 0 {
		return at, err
	}
	now, err := s.now(ctx)
	if err != nil {
		return head{}, err
	}
	at, err = s.readHead(ctx, namespace) // there may have been a change before now
	if err != nil || at.index != 0 {
		return at, err
	}
	return head{index: now}, nil
}
