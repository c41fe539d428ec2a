package redis

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	tick  = 100 * time.Millisecond // how late the end of an item may be told
	idle  = 5 * time.Second        // how often to look for ends that others have set, and for what was lost
	hands = 16                     // how many namespaces are swept at once
)

// registry is the set of the namespaces in which items end. It has a slot of its own.
const registry = "kv:namespaces"

// alarms is when to look for items that are past their time, by namespace.
type alarms struct {
	mu      sync.Mutex
	at      map[string]time.Time
	known   map[string]bool // that are in the registry
	earlier chan struct{}   // holds one signal: there is an alarm before the first one
}

func newAlarms() alarms {
	return alarms{at: make(map[string]time.Time), known: make(map[string]bool), earlier: make(chan struct{}, 1)}
}

// set sets the alarm of a namespace, unless it has an earlier one.
func (a *alarms) set(namespace string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, ok := a.at[namespace]; ok && !at.Before(other) {
		return
	}
	a.at[namespace] = at
	select {
	case a.earlier <- struct{}{}:
	default:
	}
}

func (a *alarms) knows(namespace string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[namespace]
}

// due returns the namespaces whose alarms ring, and when the next one does.
func (a *alarms) due(now, next time.Time) ([]string, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var due []string
	for namespace, at := range a.at {
		switch {
		case !at.After(now):
			due = append(due, namespace)
			delete(a.at, namespace)
		case at.Before(next):
			next = at
		}
	}
	return due, next
}

func (a *alarms) know(namespaces []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range namespaces {
		a.known[namespace] = true
	}
}

// namespaces returns those that are known.
func (a *alarms) namespaces() []any {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]any, 0, len(a.known))
	for namespace := range a.known {
		all = append(all, namespace)
	}
	return all
}

// register puts a namespace in which an item gets a time to live into the registry, before
// it does, so that each kv-srv looks for the item's end.
func (s *Store) register(ctx context.Context, namespace string, ttl time.Duration) error {
	if ttl == 0 || s.alarms.knows(namespace) {
		return nil
	}
	ctx, cancel, err := hurry(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.client.SAdd(ctx, registry, namespace).Err(); err != nil {
		return err
	}
	s.alarms.know([]string{namespace})
	return nil
}

// sweep removes what is past its time until the store is closed. What fails is tried
// again with the next look; Ready says why.
func (s *Store) sweep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var look time.Time // when to read the registry
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.alarms.earlier:
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(look) {
			s.compare()
			s.enlistAgain()
			look = now.Add(idle)
		}
		due, next := s.alarms.due(now, look)
		group := errgroup.Group{}
		group.SetLimit(hands)
		for _, namespace := range due {
			group.Go(func() error {
				s.expire(namespace)
				return nil
			})
		}
		_ = group.Wait()
		timer.Reset(max(time.Until(next), 0))
	}
}

// compare sets an alarm for each namespace of the registry, which it tells of those that
// are known here, lest it has lost them.
func (s *Store) compare() {
	ctx, cancel, err := hurry(s.ctx)
	if err != nil {
		return
	}
	defer cancel()
	if known := s.alarms.namespaces(); len(known) > 0 {
		if s.client.SAdd(ctx, registry, known...).Err() != nil {
			return
		}
	}
	namespaces, err := s.client.SMembers(ctx, registry).Result()
	if err != nil {
		return
	}
	s.alarms.know(namespaces)
	for _, namespace := range namespaces {
		s.alarms.set(namespace, time.Now())
	}
}

// expire removes what is past its time in a namespace, and sets the next alarm.
func (s *Store) expire(namespace string) {
	for s.ctx.Err() == nil {
		answer, err := s.run(s.ctx, s.scripts.expire, namespace)
		in, isInt := answer.(int64)
		switch {
		case err != nil || !isInt:
			s.alarms.set(namespace, time.Now().Add(time.Second))
			return
		case in > 0:
			s.alarms.set(namespace, time.Now().Add((time.Duration(in)*time.Millisecond).Truncate(tick)+tick/2))
			return
		case in < 0:
			return
		}
	}
}
