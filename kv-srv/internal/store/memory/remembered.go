package memory

import (
	"time"

	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Remembered is a request and its answer, as one node tells another.
type Remembered struct {
	Sum    [16]byte // see request.Name
	Answer request.Answer
	Since  time.Time // the begin of the period that it is remembered from
}

// Requests returns the requests of a slot that are remembered, all of one moment and in no
// order. It is for a store with Slots.
func (s *Store) Requests(slot int) []Remembered {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, now := 0, s.now()
	live := s.requests.live(now)
	for _, g := range live {
		n += g.slots[slot].len()
	}
	all := make([]Remembered, 0, n)
	for _, g := range live {
		since := time.Unix(0, g.number*int64(period))
		g.slots[slot].each(func(sum [16]byte, a request.Answer) {
			all = append(all, Remembered{sum, a, since})
		})
	}
	return all
}

// live returns the generations that have answers and are not forgotten.
func (r *requests) live(now int64) []*generation {
	found := make([]*generation, 0, generations)
	for i := range r.gens {
		if g := &r.gens[i]; g.slots != nil && !g.forgotten(now) {
			found = append(found, g)
		}
	}
	return found
}

// share is what a slot has of one generation.
type share struct {
	number int64
	answers
}

// sharesOf divides requests among their generations. Those that are forgotten by now are
// left out, and what is from later, by another clock, is from now.
func sharesOf(requests []Remembered, now int64) *[generations]share {
	var shares [generations]share
	current := now / int64(period)
	for _, r := range requests {
		number := min(r.Since.Unix()/int64(period/time.Second), current)
		if number+generations <= current {
			continue
		}
		h := &shares[number%generations]
		h.number = number
		h.remove(r.Sum)
		h.add(r.Sum, r.Answer)
	}
	return &shares
}

// restoreRequests makes the remembered requests of a slot those given, or changes nothing.
func (s *Store) restoreRequests(slot int, requests []Remembered) error {
	shares := sharesOf(requests, s.now())
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.forget(now)
	r, more := &s.requests, 0
	for i := range shares {
		more += shares[i].len()
		if g := &r.gens[i]; g.slots != nil {
			more -= g.slots[slot].len()
		}
	}
	bytes := int64(more) * requestCost
	if more > 0 {
		if err := r.admit(bytes); err != nil {
			return err
		}
		if err := s.makeRoom(bytes, now, nil, nil); err != nil {
			return err
		}
	}
	for i := range shares {
		if r.gens[i].slots == nil && shares[i].len() == 0 {
			continue
		}
		h, g := &shares[i], &r.gens[i]
		if g.slots == nil {
			g = r.begin(h.number)
		}
		g.n += h.len() - g.slots[slot].len()
		g.slots[slot] = h.answers
		s.wakeAt(g.due())
	}
	r.bytes += bytes
	s.used += bytes
	return nil
}
