package redis

import (
	"context"
	"errors"
	"strconv"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// Watch implements store.Store. It goes on when Redis was away for a while. Who watches a
// namespace shares one connection and the last changes with all who do so here, and reads
// older changes from Redis; who falls behind the oldest of these ends with
// store.ErrLagging.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	at, err := s.begin(ctx, namespace, from)
	if err != nil {
		return err
	}
	f, err := s.join(namespace, at)
	if err != nil {
		return err
	}
	defer s.leave(f)
	if from != 0 {
		at = from
	}
	v := &view{store: s, feed: f, watcher: watching.New(prefix), at: at, emit: emit}
	f.add(v)
	defer f.remove(v)
	err = v.watcher.Follow(ctx, watching.Source{
		Progress: v.progress, Deliver: v.deliver, Every: watching.Period, Done: f.done,
	}, emit)
	if errors.Is(err, watching.ErrClosed) && f.broken {
		return store.ErrCompacted
	}
	return err
}

// begin returns the version of now, or store.ErrCompacted if changes since from are gone.
func (s *Store) begin(ctx context.Context, namespace string, from uint64) (uint64, error) {
	answer, err := s.run(ctx, s.scripts.begin, namespace, strconv.FormatUint(from, 10))
	if err != nil {
		return 0, s.meaning(ctx, err)
	}
	switch answer := answer.(type) {
	case int64:
		if refused := refusal(answer); refused != nil {
			return 0, refused
		}
	case string:
		return strconv.ParseUint(answer, 10, 64)
	}
	return 0, s.strange(answer)
}

// view is one Watch.
type view struct {
	store   *Store
	feed    *feed
	watcher *watching.Watcher // under the lock of the feed
	at      uint64            // all changes up to it were emitted, if they are wanted
	emit    func(store.Event) error
}

func (v *view) progress() store.Event {
	v.feed.mu.Lock()
	defer v.feed.mu.Unlock()
	e := v.feed.log.Progress(v.watcher)
	if !v.watcher.Behind {
		v.at = max(v.at, e.Version)
	}
	e.Version = v.at
	return e
}

// deliver emits some of what was not read.
func (v *view) deliver(ctx context.Context) error {
	changes, recent := v.feed.after(v)
	if !recent {
		older, err := v.store.read(ctx, v.feed.namespace, v.at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGap):
			return store.ErrLagging
		case err != nil: // Redis is away
			wait(ctx, v.store.ctx, pause)
		}
		changes = older
		v.watcher.Signal()
	}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.watcher.Wants(c.event.Item.Key) {
			if err := v.emit(c.event); err != nil {
				return err
			}
		}
		v.at = c.event.Version
	}
	return nil
}
