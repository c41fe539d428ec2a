package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// At most so many instances are asked at once. Those that were away the last time have
// some of that for themselves: they may take all the time that there is.
const (
	maxAtOnce = 16
	forAway   = 4
)

// target is an instance to ask.
type target struct {
	*instance

	service, address string
	away             bool
	looked           time.Time
}

// targets returns the instances that are wanted, in the order in which they were looked
// at last.
func (f *Fleet) targets(want func(*instance) bool) []target {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []target
	for k, i := range f.instances {
		if want(i) {
			all = append(all, target{i, k.service, k.address, i.State == Away, i.looked})
		}
	}
	slices.SortFunc(all, func(a, b target) int {
		return cmp.Or(a.looked.Compare(b.looked), cmp.Compare(a.service, b.service), cmp.Compare(a.address, b.address))
	})
	return all
}

func (f *Fleet) fresh() []target {
	return f.targets(func(i *instance) bool { return i.looked.IsZero() })
}

// lookAtFresh looks at those that nobody has looked at.
func (f *Fleet) lookAtFresh(ctx context.Context) { f.lookAt(ctx, f.fresh()) }

// lookAtAll looks at every instance, and notes the load.
func (f *Fleet) lookAtAll(ctx context.Context) {
	f.lookAt(ctx, f.targets(func(*instance) bool { return true }))
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	f.noteLoad()
	f.tell()
}

// lookAt asks instances. Of those that are away, no more are begun after the time that
// one may take: the others have their turn the next time.
func (f *Fleet) lookAt(ctx context.Context, all []target) {
	begun := time.Now()
	var here, away errgroup.Group
	here.SetLimit(maxAtOnce - forAway)
	away.SetLimit(forAway)
	var lanes sync.WaitGroup
	lanes.Go(func() {
		for _, t := range all {
			if !t.away {
				here.Go(func() error { f.look(ctx, t); return nil })
			}
		}
	})
	lanes.Go(func() {
		for _, t := range all {
			if t.away {
				away.Go(func() error {
					if time.Since(begun) < patience {
						f.look(ctx, t)
					}
					return nil
				})
			}
		}
	})
	lanes.Wait()
	_ = errors.Join(here.Wait(), away.Wait()) // none fails
}

// look asks one instance, and notes what it has heard.
func (f *Fleet) look(ctx context.Context, t target) {
	a := f.ask(ctx, t.address)
	if ctx.Err() != nil {
		return // it had no time to answer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	first := t.instance.looked.IsZero()
	if t.note(a, f.now()) || first {
		f.tell()
		if a.state == Away {
			f.listSoon()
		}
	}
}

// note takes over an answer, and returns whether the state has changed.
func (i *instance) note(a answer, now time.Time) bool {
	changed := i.State != a.state
	switch {
	case i.looked.IsZero() && a.sample != nil && !a.sample.started.IsZero():
		i.Changed = a.sample.started
	case changed || i.looked.IsZero():
		i.Changed = now
	}
	i.looked, i.State, i.Why = now, a.state, a.why
	switch {
	case a.stopping:
		i.left = now
	case a.state == Ready && i.listed:
		i.left = time.Time{} // another process has begun
	}
	if a.sample == nil {
		i.Load, i.recent = Load{}, nil
	} else {
		i.samples = i.samples.add(*a.sample)
		i.Load, i.recent = i.samples.load()
		if !same(i.Started, a.sample.started) {
			i.Started = a.sample.started
		}
	}
	if a.state == Away {
		i.Started = time.Time{}
	}
	return changed
}
