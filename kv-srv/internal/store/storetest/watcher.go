package storetest

import (
	"context"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// watcher collects the events of one Watch.
type watcher struct {
	k      *kv
	events chan store.Event
	result chan error
	cancel context.CancelFunc
	last   uint64 // version of the last event
}

// watch watches until the test ends, from after the first event on, which it takes.
func (k *kv) watch(prefix string, from uint64) *watcher {
	k.Helper()
	ctx, cancel := context.WithCancel(k.Context())
	w := &watcher{k: k, events: make(chan store.Event, 1<<13), result: make(chan error, 1), cancel: cancel}
	go func() {
		w.result <- k.store.Watch(ctx, k.ns, prefix, from, func(e store.Event) error {
			select {
			case w.events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	k.Cleanup(cancel)
	first := w.any()
	if first.Kind != store.Progress {
		k.Fatalf("a watch begins with %+v instead of progress", first)
	}
	if first.Version == 0 || first.Version < from {
		k.Fatalf("a watch from version %d begins at %d", from, first.Version)
	}
	w.last = first.Version
	return w
}

// any returns the next event, and fails the test if none comes.
func (w *watcher) any() store.Event {
	w.k.Helper()
	late := time.NewTimer(patient)
	defer late.Stop()
	select {
	case e := <-w.events:
		return e
	case err := <-w.result:
		select {
		case e := <-w.events: // emitted before the end
			w.result <- err
			return e
		default:
		}
		w.k.Fatalf("the watch ended: %v", err)
	case <-late.C:
		w.k.Fatalf("no event within %v", patient)
	}
	panic("unreachable")
}

// next returns the next change, and checks the order of the versions.
func (w *watcher) next() store.Event {
	w.k.Helper()
	for {
		e := w.any()
		if e.Kind == store.Progress {
			if e.Version < w.last {
				w.k.Fatalf("progress goes back from version %d to %d", w.last, e.Version)
			}
			w.last = e.Version
			continue
		}
		if e.Version <= w.last {
			w.k.Fatalf("a change of version %d follows version %d: %+v", e.Version, w.last, e)
		}
		w.last = e.Version
		return e
	}
}

// wantPut expects the item as it is stored now.
func (w *watcher) wantPut(item store.Item) store.Event {
	w.k.Helper()
	e := w.next()
	if e.Kind != store.Put {
		w.k.Fatalf("got %+v, want %q put", e, item.Key)
	}
	w.k.wantSame("item of the event", e.Item, item)
	return e
}

// wantGone expects the end of an item.
func (w *watcher) wantGone(kind store.Kind, key string) store.Event {
	w.k.Helper()
	e := w.next()
	if e.Kind != kind || e.Item.Key != key {
		w.k.Fatalf("got kind %d of %q, want kind %d of %q", e.Kind, e.Item.Key, kind, key)
	}
	if len(e.Item.Value) != 0 {
		w.k.Fatalf("an item that is gone has the value %q", e.Item.Value)
	}
	return e
}

// until returns the changes up to that of a key, which the test changes last.
func (w *watcher) until(key string) []store.Event {
	w.k.Helper()
	var events []store.Event
	for {
		e := w.next()
		if e.Item.Key == key {
			return events
		}
		events = append(events, e)
	}
}

// end waits for the watch to return.
func (w *watcher) end() error {
	w.k.Helper()
	select {
	case err := <-w.result:
		return err
	case <-time.After(patient):
		w.k.Fatalf("the watch goes on for %v", patient)
		return nil
	}
}
