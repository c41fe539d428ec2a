package fleet

import (
	"context"
	"sync"
	"time"

	"go-micro.dev/v5/registry"
)

// How often is looked and listed, while somebody watches and else.
const (
	lookWatched = time.Second
	listWatched = 5 * time.Second
	unwatched   = 10 * time.Second

	listAgain  = 500 * time.Millisecond // where there is news
	watchAgain = 5 * time.Second        // where the registry's watch has ended
)

// Run looks until ctx ends: every second while somebody watches, else every ten. It may
// be called once. What it has begun ends with it, but for what go-micro's registry over
// mDNS needs to watch, which goes on until the process ends.
func (f *Fleet) Run(ctx context.Context) error {
	defer f.transport.CloseIdleConnections()
	var loops sync.WaitGroup
	loops.Go(func() { repeat(ctx, f.watched, f.lookEvery, f.lookNow) })
	loops.Go(func() { repeat(ctx, f.stale, f.listEvery, f.listNow) })
	loops.Go(func() { f.hear(ctx) })
	loops.Wait()
	return nil
}

func (f *Fleet) lookEvery() time.Duration {
	if f.isWatched() {
		return lookWatched
	}
	return unwatched
}

func (f *Fleet) listEvery() time.Duration {
	switch {
	case f.news.Load():
		return listAgain
	case f.isWatched():
		return listWatched
	default:
		return unwatched
	}
}

func (f *Fleet) lookNow(ctx context.Context) {
	_ = f.looking.share(ctx, time.Now(), f.lookAtAll) // fails with ctx alone
}

// listNow lists, and looks at once at who is new.
func (f *Fleet) listNow(ctx context.Context) {
	f.news.Store(false)
	if err := f.listing.share(ctx, time.Now(), f.list); err != nil {
		return
	}
	if len(f.fresh()) > 0 {
		_ = f.looking.take(ctx, f.lookAtFresh) // fails with ctx alone
	}
	f.noteAsked()
}

// listSoon has the registry listed, since it has news.
func (f *Fleet) listSoon() {
	f.news.Store(true)
	put(f.stale)
}

// repeat does something until ctx ends: a pause after it has begun, which is asked for
// again when woken. What takes longer than to wait for one instance is followed by a rest.
func repeat(ctx context.Context, woken <-chan struct{}, pause func() time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		begun := time.Now()
		do(ctx)
		rest := time.Now().Add((time.Since(begun) - patience) / 2)
		for ctx.Err() == nil {
			due := begun.Add(pause())
			if due.Before(rest) {
				due = rest
			}
			if !wait(ctx, woken, time.Until(due)) {
				break
			}
		}
	}
}

// wait returns true if woken before d is over.
func wait(ctx context.Context, woken <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-woken:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// hear lists whenever the registry tells of a change.
func (f *Fleet) hear(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.hearOnce(ctx); err != nil && ctx.Err() == nil {
			f.log.DebugContext(ctx, "the registry's watch has ended, and is begun again", "error", err)
		}
		f.listSoon() // for what was missed
		wait(ctx, nil, watchAgain)
	}
}

func (f *Fleet) hearOnce(ctx context.Context) error {
	w, err := f.registry.Watch()
	if err != nil {
		return err
	}
	stop := sync.OnceFunc(w.Stop)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	for {
		r, err := w.Next()
		if err != nil {
			return err
		}
		if r.Action == "delete" {
			f.deregistered(r.Service)
		}
		f.listSoon()
	}
}

// late is how much later than it is seen an end may be told of.
const late = 5 * time.Second

// deregistered notes who has left by themselves: a registry drops those that were killed
// long after they are seen to be away, or without a word.
func (f *Fleet) deregistered(s *registry.Service) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s == nil {
		return
	}
	now := f.now()
	for _, n := range s.Nodes {
		i := f.instances[key{s.Name, n.Address}]
		if i == nil || i.State == Away && now.Sub(i.Changed) > late ||
			i.ID != n.Id && i.ids[n.Id] { // one that was there before
			continue
		}
		i.left = now
		if i.listed {
			i.listed, i.unlisted = false, now
		}
	}
}
