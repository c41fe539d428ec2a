package disk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// stripes is how many keys can be looked at by writers at once.
const stripes = 4096

// stripe is the lock of some keys.
type stripe struct {
	mu   sync.Mutex
	last atomic.Uint64 // version of the last change of one of them
}

func (s *Store) stripe(namespace, key string) *stripe {
	type name struct{ namespace, key string }
	return &s.stripes[maphash.Comparable(s.seed, name{namespace, key})%stripes]
}

// place is where a write goes and when. It holds the lock of its stripe.
type place struct {
	namespace, key string
	stripe         *stripe
	rec            *record // nil: there is no item
	request        request.Name
	now            int64
}

// enter locks a key and looks up what is there. An item past its time ends here. It is
// followed by leave, unless it fails.
func (s *Store) enter(ctx context.Context, op request.Operation, namespace, key, requestID string) (*place, error) {
	at, err := s.lock(ctx, op, namespace, key, requestID)
	if err != nil {
		return nil, err
	}
	if at.rec, err = s.load(namespace, key); err == nil && at.rec != nil && at.rec.expired(at.now) {
		err = s.expire(ctx, at)
	}
	if err != nil {
		at.stripe.mu.Unlock()
		return nil, err
	}
	return at, nil
}

// lock is enter for a write that need not know what is there. What it overwrites stays in
// the index of what ends, until the keeper looks.
func (s *Store) lock(ctx context.Context, op request.Operation, namespace, key, requestID string) (*place, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	at := &place{namespace: namespace, key: key, now: s.now(), stripe: s.stripe(namespace, key)}
	at.request = request.Of(op, namespace, key, requestID)
	at.stripe.mu.Lock()
	return at, nil
}

// leave unlocks the key and waits until all that was seen there is on disk. It returns
// err, unless that fails.
func (s *Store) leave(ctx context.Context, at *place, err error) error {
	seen := at.stripe.last.Load()
	at.stripe.mu.Unlock()
	if e := s.await(ctx, seen); e != nil {
		return e
	}
	return err
}

// load reads an item, nil where there is none.
func (s *Store) load(namespace, key string) (*record, error) {
	b, closer, err := s.db.Get(itemKey(namespace, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil //nolint:nilnil // no item is no error here
	}
	if err != nil {
		return nil, damaged(err)
	}
	defer closer.Close()
	r := reader{b: b}
	rec := r.record(false)
	return rec, r.err
}

// damaged says of an error of the engine, which names the file, what it means.
func damaged(err error) error {
	if !pebble.IsCorruptionError(err) {
		return err
	}
	if detail, ok := errors.AsType[interface {
		error
		ErrorDetail() string
	}](err); ok {
		return fmt.Errorf("a file is damaged: %s: %w", detail.ErrorDetail(), err) // which log it is
	}
	return fmt.Errorf("a file is damaged: %w", err)
}

// remove ends the item of a place and says why.
func (s *Store) remove(ctx context.Context, at *place, why store.Kind, answer *request.Answer) error {
	_, err := s.commit(ctx, at, change{kind: why, key: at.key}, answer)
	return err
}

// expire removes the item of a place, which is past its time.
func (s *Store) expire(ctx context.Context, at *place) error {
	if err := s.remove(ctx, at, store.Expired, nil); err != nil {
		return err
	}
	s.expired.Add(1)
	return nil
}
