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
	mu    sync.Mutex
	last  atomic.Uint64 // version of the last change of one of them
	heads heads
}

func (s *Store) stripe(namespace, key string) *stripe {
	return &s.stripes[maphash.Comparable(s.seeds[0], name{namespace, key})%stripes]
}

// place is where a write goes and when. It holds the lock of its stripe.
type place struct {
	namespace, key string
	id             identity
	stripe         *stripe
	head           head    // of the item that is there
	rec            *record // the item; nil: there is none, or it was not read
	request        request.Name
	now            int64
}

// enter locks a key and looks up what is there. An item past its time ends here. It is
// followed by leave, unless it fails.
func (s *Store) enter(ctx context.Context, op request.Operation, namespace, key, requestID string) (*place, error) {
	at, err := s.glance(ctx, op, namespace, key, requestID)
	if err != nil {
		return nil, err
	}
	if err := s.fetch(at); err != nil {
		at.stripe.mu.Unlock()
		return nil, err
	}
	return at, nil
}

// admit returns why an operation cannot be served now, or nil. Where room is short, what
// makes room is served all the same, from the reserve; it keeps little of what it removes
// for watchers.
func (s *Store) admit(ctx context.Context, op request.Operation) error {
	if op != request.Delete || !s.room.short() {
		return s.Ready(ctx)
	}
	if err := s.sick(); err != nil {
		return err
	}
	if err := s.room.checkRemoval(); err != nil {
		return err
	}
	s.tend.expires(s.now() + int64(retry)) // the keeper looks after what it makes
	return s.trim(ctx)
}

// glance is enter for a write that needs no more of the item than its head.
func (s *Store) glance(ctx context.Context, op request.Operation, namespace, key, requestID string) (*place, error) {
	err := ctx.Err()
	if err == nil {
		err = s.admit(ctx, op)
	}
	if err != nil {
		return nil, err
	}
	at := &place{namespace: namespace, key: key, id: s.identity(namespace, key), now: s.now()}
	at.stripe = &s.stripes[at.id[0]%stripes]
	at.request = request.Of(op, namespace, key, requestID)
	at.stripe.mu.Lock()
	if err = s.find(at); err == nil && at.rec != nil && at.rec.expired(at.now) {
		err = s.expire(ctx, at)
	}
	if err != nil {
		at.stripe.mu.Unlock()
		return nil, err
	}
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

// find looks up the head of the item of a place as of the last write, or the item.
func (s *Store) find(at *place) error {
	if at.stripe.last.Load() > s.applied.Load() {
		if rec, ok := s.queue.pending(name{at.namespace, at.key}); ok {
			at.hold(rec)
			return nil
		}
	}
	if head, ok := at.stripe.heads.find(at.id); ok {
		at.head = head
		return nil
	}
	rec, err := load(s.db, at.namespace, at.key)
	at.hold(rec)
	return err
}

// fetch reads the item of a place, if there is one and that was not done.
func (s *Store) fetch(at *place) error {
	if at.head.version == 0 || at.rec != nil {
		return nil
	}
	rec, err := load(s.db, at.namespace, at.key)
	if err == nil && (rec == nil || rec.version != at.head.version) {
		err = errRecord
	}
	at.rec = rec
	return err
}

// hold notes what is there.
func (at *place) hold(rec *record) {
	at.rec, at.head = rec, head{}
	if rec != nil {
		at.head = head{id: at.id, version: rec.version, bytes: rec.size(at.key)}
	}
}

// load reads an item, nil where there is none.
func load(from pebble.Reader, namespace, key string) (*record, error) {
	var buf [128]byte
	b, closer, err := from.Get(appendItemKey(buf[:0], namespace, key))
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
