package consul

import (
	"context"
	"fmt"
	"strconv"

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
