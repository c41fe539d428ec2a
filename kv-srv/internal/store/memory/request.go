package memory

import (
	"fmt"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Answers are kept in generations, each forgotten as a whole: an answer lives for
// RequestMemory at least and one period longer at most.
const (
	period      = 2 * time.Minute
	generations = int64(store.RequestMemory/period) + 1
)

// requests remembers the answers to requests, by slot. It changes under Store.mu.
type requests struct {
	max   int64 // bytes
	bytes int64
	slots int                     // in a store without Slots: 1
	gens  [generations]generation // by number, modulo
}

type generation struct {
	number int64     // periods since 1970
	n      int       // answers
	slots  []answers // nil: there are none
}

func (g *generation) forgotten(now int64) bool {
	return g.number+generations <= now/int64(period)
}

// due is when all of it may be forgotten.
func (g *generation) due() int64 { return (g.number + generations) * int64(period) }

func (r *requests) find(q request.Name, slot int32, now int64) (request.Answer, bool) {
	if !q.Given {
		return request.Answer{}, false
	}
	for i := range r.gens {
		if g := &r.gens[i]; g.slots != nil && !g.forgotten(now) {
			if a, ok := g.slots[slot].find(q.Sum); ok {
				return a, true
			}
		}
	}
	return request.Answer{}, false
}

// forget drops what need not be remembered, and returns how many bytes that freed and
// when there is more to drop, 0 if there is nothing.
func (r *requests) forget(now int64) (freed, next int64) {
	for i := range r.gens {
		g := &r.gens[i]
		switch {
		case g.slots == nil:
		case g.forgotten(now):
			freed += int64(g.n) * requestCost
			*g = generation{}
		default:
			if end := g.due(); next == 0 || end < next {
				next = end
			}
		}
	}
	r.bytes -= freed
	return freed, next
}

// begin returns the generation of a number, with places for answers.
func (r *requests) begin(number int64) *generation {
	g := &r.gens[number%generations]
	if g.slots == nil {
		*g = generation{number: number, slots: make([]answers, r.slots)}
	}
	return g
}

// add remembers an answer, and returns when it is forgotten.
func (r *requests) add(q request.Name, slot int32, a request.Answer, now int64) (due int64) {
	g := r.begin(now / int64(period))
	g.slots[slot].add(q.Sum, a)
	g.n++
	r.bytes += requestCost
	return g.due()
}

// remove forgets one answer, and returns how many bytes that freed.
func (r *requests) remove(q request.Name, slot int32) (freed int64) {
	for i := range r.gens {
		if g := &r.gens[i]; g.slots != nil && g.slots[slot].remove(q.Sum) {
			g.n--
			freed += requestCost
		}
	}
	r.bytes -= freed
	return freed
}

// admit returns an error if there is no room to remember the request.
func (s *Store) admit(at place) error {
	if !at.request.Given {
		return nil
	}
	s.forget(at.now)
	return s.requests.admit(requestCost)
}

func (r *requests) admit(bytes int64) error {
	if r.bytes+bytes > r.max {
		return fmt.Errorf("the request IDs of the last %v take a quarter of the memory: %w", store.RequestMemory, store.ErrFull)
	}
	return nil
}

// remember keeps the answer to a request that was admitted.
func (s *Store) remember(at place, a request.Answer) {
	if !at.request.Given {
		return
	}
	s.used += requestCost
	s.wakeAt(s.requests.add(at.request, at.slot, a, at.now))
}

// forget drops the requests and some of the tombstones that need not be remembered, and
// returns when there will be others, 0 for never.
func (s *Store) forget(now int64) (next int64) {
	freed, next := s.requests.forget(now)
	s.used -= freed
	if due := s.forgetTombstones(now); due != 0 && (next == 0 || due < next) {
		next = due
	}
	return next
}

// requestSlot is where the answer to a request is kept.
func (s *Store) requestSlot(n name, q request.Name) int32 {
	if !q.Given || s.opts.Slots == 0 {
		return 0
	}
	return s.slotOf(n)
}
