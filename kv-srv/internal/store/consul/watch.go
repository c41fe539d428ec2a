package consul

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
)

// progress is how often an idle watcher is told of its version, and again how long to wait
// before Consul is asked again that was away.
const (
	progress = 20 * time.Second
	again    = 500 * time.Millisecond
)

// position is how far a watcher is.
type position struct {
	number  uint64 // of the last change that it has seen
	version uint64
}

// Watch implements store.Store. It goes on when Consul was away for a while.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	at, err := s.begin(ctx, namespace, from)
	if err != nil {
		return err
	}
	if err := emit(store.Event{Kind: store.Progress, Version: at.version}); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	told := time.Now()
	for index := uint64(0); ; {
		index, err = s.follow(inner, namespace, prefix, index, &at, emit)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.ctx.Err() != nil:
			return errClosed
		case errors.Is(err, errAway):
			index = 0 // Consul may have begun anew
			wait(inner, again)
		case err != nil:
			return err
		case time.Since(told) >= progress:
			told = time.Now()
			if err := emit(store.Event{Kind: store.Progress, Version: at.version}); err != nil {
				return err
			}
		}
	}
}

// errAway says that Consul did not answer, and that a watch may go on later.
var errAway = errors.New("consul is away")

// begin returns the place in the log that a watch begins after, or store.ErrCompacted if
// the changes since from are gone, or from is a version to come.
func (s *Store) begin(ctx context.Context, namespace string, from uint64) (position, error) {
	last, err := s.last(ctx, namespace)
	switch {
	case err != nil:
		return position{}, err
	case from == 0:
		return position{last.number, last.index}, nil
	case from < last.index:
		return s.find(ctx, namespace, from, last)
	}
	if now, err := s.now(ctx); err != nil {
		return position{}, err
	} else if from > now {
		return position{}, store.ErrCompacted
	}
	return position{last.number, from}, nil
}

// find looks for the last change that is not after a version.
func (s *Store) find(ctx context.Context, namespace string, from uint64, last head) (position, error) {
	low, high := uint64(0), last.number // high is after from; low is not, or too old to tell
	if last.number > keep {
		low = last.number - keep
	}
	floor := low
	for low+1 < high {
		mid := low + (high-low)/2
		pairs, err := s.read(ctx, s.keys.change(namespace, mid))
		if err != nil {
			return position{}, err
		}
		switch {
		case pairs[0] == nil:
			return position{}, store.ErrCompacted
		case pairs[0].ModifyIndex <= from:
			low = mid
		default:
			high = mid
		}
	}
	if low == floor && floor > 0 {
		return position{}, store.ErrCompacted
	}
	return position{low, from}, nil
}

// follow emits the changes since a position, and moves it. Where there are none it waits
// for one, or for a while. It returns the index to wait from the next time, or errAway.
func (s *Store) follow(ctx context.Context, namespace, prefix string, index uint64, at *position, emit func(store.Event) error) (uint64, error) {
	bounded, cancel := context.WithTimeout(ctx, 2*progress)
	q := (&api.QueryOptions{RequireConsistent: true, WaitIndex: index, WaitTime: progress}).WithContext(bounded)
	pair, meta, err := s.client.KV().Get(s.keys.head(namespace), q)
	cancel()
	if err != nil {
		return 0, errors.Join(errAway, err)
	}
	last, err := headOf(pair)
	if err != nil {
		return 0, err
	}
	return meta.LastIndex, s.deliver(ctx, namespace, prefix, at, last, emit)
}

// deliver emits the changes up to the last one.
func (s *Store) deliver(ctx context.Context, namespace, prefix string, at *position, last head, emit func(store.Event) error) error {
	if last.number < at.number {
		return store.ErrCompacted // of a Consul that has lost what it had
	}
	for at.number < last.number {
		names := make([]string, min(most, last.number-at.number))
		for i := range names {
			names[i] = s.keys.change(namespace, at.number+uint64(i)+1)
		}
		pairs, err := s.read(ctx, names...)
		if err != nil {
			return errors.Join(errAway, err)
		}
		for _, pair := range pairs {
			if pair == nil {
				return store.ErrLagging
			}
			if err := s.emit(ctx, namespace, prefix, pair, emit); err != nil {
				return err
			}
			at.number, at.version = at.number+1, pair.ModifyIndex
		}
	}
	return nil
}

// emit emits one change, if it is under the prefix.
func (s *Store) emit(ctx context.Context, namespace, prefix string, pair *api.KVPair, emit func(store.Event) error) error {
	e, whole, err := event(pair)
	if err != nil || !strings.HasPrefix(e.Item.Key, prefix) {
		return err
	}
	if !whole {
		pairs, err := s.read(ctx, s.keys.item(namespace, e.Item.Key))
		if err != nil {
			return errors.Join(errAway, err)
		}
		if pairs[0] == nil || pairs[0].ModifyIndex != e.Version {
			return store.ErrCompacted // a later change has overwritten it
		}
		if e.Item, err = decode(e.Item.Key, e.Version, pairs[0].Value); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return emit(e)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
