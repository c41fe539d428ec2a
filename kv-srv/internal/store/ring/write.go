package ring

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/request"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// write has the owner of a key do something to it.
func (s *Store) write(ctx context.Context, c change.Change, again bool, w *ringpb.Write) (answer request.Answer, err error) {
	w.Namespace, w.Key = c.Namespace, c.Key
	err = s.route(ctx, placement.Slot(c.Namespace, c.Key), again, func() error {
		answer, err = s.decide(ctx, c)
		return err
	}, func(p *peer) error {
		a, err := p.ask(ctx, &ringpb.Call{Write: w})
		answer = request.Answer{Sum: a.GetWritten().GetSum(), Version: a.GetWritten().GetVersion()}
		return err
	})
	return answer, err
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	a, err := s.write(ctx, change.Put(namespace, w), w.RequestID != "", &ringpb.Write{
		Operation: ringpb.Write_OPERATION_PUT, Value: w.Value, Metadata: w.Metadata, Ttl: duration(w.TTL),
		IfAbsent: w.IfAbsent, IfVersion: w.IfVersion, RequestId: w.RequestID,
	})
	return a.Version, err
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	_, err := s.write(ctx, change.Delete(namespace, r), r.RequestID != "", &ringpb.Write{
		Operation: ringpb.Write_OPERATION_DELETE, IfVersion: r.IfVersion, RequestId: r.RequestID,
	})
	return err
}

// Increment implements store.Store.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	done, err := s.write(ctx, change.Increment(namespace, a), a.RequestID != "", &ringpb.Write{
		Operation: ringpb.Write_OPERATION_INCREMENT, Delta: a.Delta, Ttl: duration(a.TTL), RequestId: a.RequestID,
	})
	return done.Sum, done.Version, err
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	a, err := s.write(ctx, change.Touch(namespace, key, ttl), safe, &ringpb.Write{
		Operation: ringpb.Write_OPERATION_TOUCH, Ttl: duration(ttl),
	})
	return a.Version, err
}

func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// Lease implements store.Leaser.
func (s *Store) Lease(ctx context.Context, namespace, key string, seen uint64, d time.Duration) (granted bool, err error) {
	l := &ringpb.Lease{Namespace: namespace, Key: key, Seen: seen, Lasts: durationpb.New(d)}
	err = s.route(ctx, placement.Slot(namespace, key), safe, func() error {
		granted, err = s.leaseHere(ctx, l)
		return err
	}, func(p *peer) error {
		a, err := p.ask(ctx, &ringpb.Call{Lease: l})
		granted = a.GetGranted()
		return err
	})
	return granted, err
}

func (s *Store) leaseHere(ctx context.Context, l *ringpb.Lease) (bool, error) {
	if _, err := s.owning(ctx, placement.Slot(l.GetNamespace(), l.GetKey())); err != nil {
		return false, err
	}
	if !s.leases.Take(l.GetNamespace(), l.GetKey(), l.GetLasts().AsDuration()) {
		return false, nil
	}
	item, err := s.getOwned(ctx, l.GetNamespace(), l.GetKey())
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil || item.Version != l.GetSeen() {
		s.leases.End(l.GetNamespace(), l.GetKey())
		return false, err
	}
	return true, nil
}

// deleteAtOnce is how many items of a prefix are deleted at the same time.
const deleteAtOnce = 32

// DeletePrefix implements store.Store. It deletes one item after the other, since each
// has its owner and its version.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	deleted, q := 0, store.Query{Prefix: prefix, Limit: 1000, MaxBytes: frameBytes, KeysOnly: true}
	for {
		page, err := s.List(ctx, namespace, q)
		if err != nil {
			return deleted, err
		}
		n, err := s.deleteAll(ctx, namespace, page.Items)
		deleted += n
		if err != nil || !page.More {
			return deleted, err
		}
		q.After = page.Items[len(page.Items)-1].Key
	}
}

// deleteSurely deletes an item, again where it is not known whether that was done. It tells
// whether there was one.
func (s *Store) deleteSurely(ctx context.Context, namespace, key string) (was bool, err error) {
	for {
		rung := s.bell.wait()
		switch err := s.Delete(ctx, namespace, store.Removal{Key: key}); {
		case err == nil:
			return true, nil
		case errors.Is(err, store.ErrNotFound):
			return was, nil // somebody was faster, maybe this call
		case !errors.Is(err, errBroken) && !errors.Is(err, errTimeout):
			return was, err
		}
		was = true
		if err := s.pause(ctx, rung, lastPause); err != nil {
			return was, err
		}
	}
}

func (s *Store) deleteAll(ctx context.Context, namespace string, items []store.Item) (int, error) {
	type result struct {
		n   int
		err error
	}
	results := make(chan result, deleteAtOnce)
	for lane := range deleteAtOnce {
		go func() { // ends with ctx at the latest, and is waited for below
			var r result
			for i := lane; i < len(items) && r.err == nil; i += deleteAtOnce {
				var was bool
				if was, r.err = s.deleteSurely(ctx, namespace, items[i].Key); was {
					r.n++
				}
			}
			results <- r
		}()
	}
	deleted := 0
	var errs []error
	for range deleteAtOnce {
		r := <-results
		deleted += r.n
		errs = append(errs, r.err)
	}
	return deleted, errors.Join(errs...)
}
