package consul

import (
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
)

// head is the end of the log of a namespace, and what the namespace holds then.
type head struct {
	number uint64 // of the last change; 0: there was none
	index  uint64 // Consul's, of that change; 0: there was none
	holds
}

// holds is items and their bytes, as store.Namespace counts them.
type holds struct{ keys, bytes int64 }

func (h holds) plus(more holds) holds { return holds{h.keys + more.keys, h.bytes + more.bytes} }

func (h holds) minus(less holds) holds { return holds{h.keys - less.keys, h.bytes - less.bytes} }

// weigh is what an item counts.
func weigh(item store.Item) holds { return holds{1, int64(item.Size())} }

// after is the head that follows with a change. It has no index yet.
func (h head) after(e entry) head { return head{number: h.number + 1, holds: h.plus(e.grows)} }

func (h head) append() []byte { return fmt.Appendf(nil, "%d %d %d", h.number, h.keys, h.bytes) }

func headOf(pair *api.KVPair) (head, error) {
	if pair == nil {
		return head{}, nil
	}
	at := head{index: pair.ModifyIndex}
	if _, err := fmt.Sscanf(string(pair.Value), "%d %d %d", &at.number, &at.keys, &at.bytes); err != nil {
		return head{}, fmt.Errorf("%q is not one of ours: %w", pair.Key, err)
	}
	return at, nil
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
