// Package watching tells those who watch a namespace what there is to read in the
// history of its changes, which a backend keeps as it likes.
package watching

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Period is how often a watch emits store.Progress, unless its backend says otherwise.
const Period = 30 * time.Second

// ErrClosed ends the watches of a store that is closed.
var ErrClosed = errors.New("the store is closed")

// Watcher is the place of one Watch in the history of its namespace. Its fields are
// under the lock of its Log.
type Watcher struct {
	prefix string
	wake   chan struct{} // holds one signal: there is something to read

	// All changes up to Position that the watcher wants were read. While it is not
	// Behind, none after it is wanted.
	Position uint64
	Behind   bool
}

// New returns a watcher of the keys under a prefix.
func New(prefix string) *Watcher {
	return &Watcher{prefix: prefix, wake: make(chan struct{}, 1)}
}

// Wants tells whether the watcher watches a key.
func (w *Watcher) Wants(key string) bool { return strings.HasPrefix(key, w.prefix) }

// Signal says that there is something to read.
func (w *Watcher) Signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Log is what the history of a namespace has, and who reads it. A lock of its owner's is
// held for each of its methods.
type Log struct {
	Floor    uint64 // later changes are all here
	Last     uint64 // version of the last change
	audience audience
}

// Changed notes a change, the last one, and wakes who watches its key.
func (l *Log) Changed(key string, version uint64) {
	l.Last = version
	l.audience.wake(key, version)
}

// Join adds a watcher that has seen the changes up to from, or all up to now if from is
// 0. A version that is later than now is not one of this store: store.ErrCompacted, as
// of one whose changes are gone.
func (l *Log) Join(w *Watcher, from, now uint64) error {
	if from == 0 {
		from = now
	}
	if from < l.Floor || from > now {
		return store.ErrCompacted
	}
	w.Position, w.Behind = from, from < l.Last
	if w.Behind {
		w.Signal()
	}
	l.audience.add(w)
	return nil
}

// Leave removes a watcher.
func (l *Log) Leave(w *Watcher) { l.audience.remove(w) }

// Watched tells whether there is a watcher.
func (l *Log) Watched() bool { return len(l.audience.watchers) > 0 }

// Progress is the event that says how far a watcher is.
func (l *Log) Progress(w *Watcher) store.Event {
	if !w.Behind {
		w.Position = max(w.Position, l.Last)
	}
	return store.Event{Kind: store.Progress, Version: w.Position}
}

// Source is how a watcher reads. Its functions take the lock of the log themselves.
type Source struct {
	Progress func() store.Event          // that of Log
	Deliver  func(context.Context) error // emits some of what was not read, and signals if there is more
	Every    time.Duration               // from progress to progress
	Done     <-chan struct{}             // closed with the store
}

// Follow emits progress and the changes until ctx is done (its error), the store is
// closed (ErrClosed), or something fails (that error).
func (w *Watcher) Follow(ctx context.Context, from Source, emit func(store.Event) error) error {
	progress := time.NewTicker(from.Every)
	defer progress.Stop()
	err := emit(from.Progress())
	for err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-from.Done:
			err = ErrClosed
		case <-progress.C:
			err = emit(from.Progress())
		case <-w.wake:
			err = from.Deliver(ctx)
		}
	}
	return err
}
