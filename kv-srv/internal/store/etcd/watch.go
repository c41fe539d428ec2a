package etcd

import (
	"context"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
)

// A watcher that is this far behind is told so.
const (
	maxBehind      = 8192     // changes
	maxBehindBytes = 16 << 20 // of keys and values
)

// progress is how often an idle watcher is told of its version.
const progress = 20 * time.Second

// Watch implements store.Store. It goes on when etcd was away for a while.
func (s *Store) Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(store.Event) error) error {
	from, err := s.begin(ctx, from)
	if err != nil {
		return err
	}
	client, err := s.connection(ctx)
	if err != nil {
		return s.meaning(ctx, err)
	}
	inner, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	first := s.keys.items(namespace)
	changes := client.Watch(inner, first+prefix, clientv3.WithPrefix(), clientv3.WithRev(revisionOf(from)+1), clientv3.WithProgressNotify())
	q := &queue{wake: make(chan struct{}, 1)}
	go q.fill(changes, first)
	return s.deliver(ctx, q, from, emit)
}

// begin returns the version that a watch begins after, or store.ErrCompacted if the
// changes since from are gone, or from is a version to come.
func (s *Store) begin(ctx context.Context, from uint64) (uint64, error) {
	rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
		return c.Get(ctx, s.keys.root, clientv3.WithCountOnly(), clientv3.WithRev(revisionOf(from)))
	})
	if err != nil || from != 0 {
		return from, err
	}
	return version(rsp.Header.GetRevision()), nil
}

func (s *Store) deliver(ctx context.Context, q *queue, at uint64, emit func(store.Event) error) error {
	idle := time.NewTicker(progress)
	defer idle.Stop()
	err := emit(store.Event{Kind: store.Progress, Version: at})
	for err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return errClosed
		case <-idle.C:
			err = emit(store.Event{Kind: store.Progress, Version: at})
		case <-q.wake:
			events, end := q.take()
			for _, e := range events {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := emit(e); err != nil {
					return err
				}
				at = e.Version
			}
			if end != nil {
				return s.meaning(ctx, end)
			}
		}
	}
	return err
}

// queue holds what a watcher has not taken yet.
type queue struct {
	wake chan struct{} // holds one signal: there is something to take

	mu     sync.Mutex
	events []store.Event
	bytes  int
	end    error // after the events
}

// take returns all events, and why there will be no others.
func (q *queue) take() ([]store.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events, q.bytes = nil, 0
	return events, q.end
}

// fill reads changes until there are no more. A queue that overflows ends.
func (q *queue) fill(changes clientv3.WatchChan, first string) {
	err := errClosed
	for rsp := range changes {
		events, bad := translate(rsp, first)
		if bad != nil {
			err = bad
			break
		}
		if !q.add(events) {
			err = store.ErrLagging
			break
		}
	}
	q.mu.Lock()
	q.end = err
	q.mu.Unlock()
	q.signal()
	for range changes { // until the watch, which ends now, is gone
	}
}

func (q *queue) add(events []store.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range events {
		q.bytes += e.Item.Size()
	}
	q.events = append(q.events, events...)
	q.signal()
	return len(q.events) <= maxBehind && q.bytes <= maxBehindBytes
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// translate reads the events of a response. The mark of an item that expired comes
// before its removal, in the same revision.
func translate(rsp clientv3.WatchResponse, first string) ([]store.Event, error) {
	if err := rsp.Err(); err != nil {
		return nil, err
	}
	if rsp.IsProgressNotify() {
		return []store.Event{{Kind: store.Progress, Version: version(rsp.Header.GetRevision())}}, nil
	}
	events := make([]store.Event, 0, len(rsp.Events))
	var marked string
	var markedAt int64
	for _, e := range rsp.Events {
		key := strings.TrimPrefix(string(e.GetKv().GetKey()), first)
		revision := e.GetKv().GetModRevision()
		out := store.Event{Kind: store.Deleted, Version: version(revision), Item: store.Item{Key: key}}
		switch gone := e.GetType() == clientv3.EventTypeDelete; {
		case strings.HasSuffix(key, mark):
			if !gone {
				marked, markedAt = strings.TrimSuffix(key, mark), revision
			}
			continue
		case gone && key == marked && revision == markedAt:
			out.Kind = store.Expired
		case !gone:
			item, err := decode(key, e.GetKv())
			if err != nil {
				return nil, err
			}
			out.Kind, out.Item = store.Put, item
		}
		events = append(events, out)
	}
	return events, nil
}
