package memory

import (
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// tick is how late an expired item may be removed. It joins many expiries in one
// wake-up; readers look at the time themselves.
const tick = int64(100 * time.Millisecond)

// expiries is a heap: the items that end, the first one on top.
type expiries []ending

type ending struct {
	at    int64
	entry *entry
}

// set says when an item ends, 0 for never.
func (h *expiries) set(e *entry, at int64) {
	i := int(e.due)
	switch {
	case i < 0 && at == 0:
		return
	case i < 0:
		*h = append(*h, ending{at, e})
		i = len(*h) - 1
	case at != 0:
		(*h)[i].at = at
	default:
		last := len(*h) - 1
		(*h)[i] = (*h)[last]
		(*h)[last] = ending{}
		*h = (*h)[:last]
		e.due = -1
		if i == last {
			return
		}
	}
	h.down(h.up(i))
}

func (h *expiries) up(i int) int {
	a := *h
	moving := a[i]
	for i > 0 && moving.at < a[(i-1)/2].at {
		a[i] = a[(i-1)/2]
		a[i].entry.due = narrow(i)
		i = (i - 1) / 2
	}
	a[i] = moving
	moving.entry.due = narrow(i)
	return i
}

func (h *expiries) down(i int) {
	a := *h
	moving := a[i]
	for {
		child := 2*i + 1
		if child+1 < len(a) && a[child+1].at < a[child].at {
			child++
		}
		if child >= len(a) || moving.at <= a[child].at {
			break
		}
		a[i] = a[child]
		a[i].entry.due = narrow(i)
		i = child
	}
	a[i] = moving
	moving.entry.due = narrow(i)
}

// expires says when an item ends, 0 for never.
func (s *Store) expires(e *entry, at int64) {
	s.expiries.set(e, at)
	if at != 0 {
		s.wakeAt(at)
	}
}

// wakeAt sees to it that the sweeper looks soon after a time.
func (s *Store) wakeAt(at int64) {
	at = (at + tick - 1) / tick * tick
	if s.wake != 0 && s.wake <= at {
		return
	}
	s.wake = at
	select {
	case s.earlier <- struct{}{}:
	default:
	}
}

// expire removes an item that is past its time.
func (s *Store) expire(e *entry) {
	s.expired.Add(1)
	s.remove(e, store.Expired)
}

// expireNext removes one item that is past its time, if there is one.
func (s *Store) expireNext(now int64) bool {
	if len(s.expiries) == 0 || s.expiries[0].at > now {
		return false
	}
	s.expire(s.expiries[0].entry)
	return true
}

// sweep removes what is past its time until the store is closed.
func (s *Store) sweep() {
	defer close(s.swept)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.earlier:
		case <-timer.C:
		}
		if wait, ok := s.sweepSome(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// sweepSome removes a batch and returns how long to wait until the next, or false if
// nothing will expire.
func (s *Store) sweepSome() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	next := s.forget(now)
	for n := 0; n < batch && s.expireNext(now); n++ {
	}
	if len(s.expiries) > 0 && (next == 0 || s.expiries[0].at < next) {
		next = s.expiries[0].at
	}
	s.wake = 0
	if next == 0 {
		return 0, false
	}
	s.wake = (next + tick - 1) / tick * tick
	return time.Duration(max(s.wake-now, 0)), true
}
