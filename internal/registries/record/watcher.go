package record

import (
	"context"
	"errors"
	"sync"

	"go-micro.dev/v5/registry"
)

// Watcher is a registry.Watcher that goroutines of a registry tell of changes.
type Watcher struct {
	Context context.Context //nolint:containedctx // ends with Stop, or with the registry

	results chan *registry.Result
	stop    context.CancelFunc
	works   sync.WaitGroup
	once    sync.Once
	failed  chan error
}

// NewWatcher returns a watcher that lives no longer than ctx.
func NewWatcher(ctx context.Context) *Watcher {
	w := &Watcher{results: make(chan *registry.Result), failed: make(chan error, 1)}
	w.Context, w.stop = context.WithCancel(ctx)
	return w
}

// Go runs what tells of changes. Its error, other than that of Context, ends the watcher.
func (w *Watcher) Go(f func() error) {
	w.works.Go(func() {
		if err := f(); err != nil && w.Context.Err() == nil {
			w.once.Do(func() { w.failed <- err })
			w.stop()
		}
	})
}

// Tell waits until somebody takes the results.
func (w *Watcher) Tell(results ...*registry.Result) error {
	for _, r := range results {
		select {
		case w.results <- r:
		case <-w.Context.Done():
			return w.Context.Err()
		}
	}
	return nil
}

// Next implements registry.Watcher.
func (w *Watcher) Next() (*registry.Result, error) {
	select {
	case r := <-w.results:
		return r, nil
	case <-w.Context.Done():
	}
	select {
	case err := <-w.failed:
		return nil, errors.Join(registry.ErrWatcherStopped, err)
	default:
		return nil, registry.ErrWatcherStopped
	}
}

// Stop implements registry.Watcher. It returns once nothing of the watcher runs.
func (w *Watcher) Stop() {
	w.stop()
	w.works.Wait()
}
