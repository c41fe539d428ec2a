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

// requests remembers the answers to requests. It changes under Store.mu.
type requests struct {
	max   int64 // bytes
	bytes int64
	gens  [generations]generation // by number, modulo
}

type generation struct {
	number  int64 // periods since 1970
	answers map[[16]byte]request.Answer
}

func (g *generation) forgotten(now int64) bool {
	return g.number+generations <= now/int64(period)
}

func (r *requests) find(q request.Name, now int64) (request.Answer, bool) {
	if !q.Given {
		return request.Answer{}, false
	}
	for i := range r.gens {
		if g := &r.gens[i]; !g.forgotten(now) {
			if a, ok := g.answers[q.Sum]; ok {
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
		case g.answers == nil:
		case g.forgotten(now):
			freed += int64(len(g.answers)) * requestCost
			*g = generation{}
		default:
			if end := (g.number + generations) * int64(period); next == 0 || end < next {
				next = end
			}
		}
	}
	r.bytes -= freed
	return freed, next
}

func (r *requests) add(q request.Name, a request.Answer, now int64) {
	number := now / int64(period)
	g := &r.gens[number%generations]
	if g.answers == nil {
		*g = generation{number: number, answers: make(map[[16]byte]request.Answer)}
	}
	g.answers[q.Sum] = a
	r.bytes += requestCost
}

// admit returns an error if there is no room to remember the request.
func (s *Store) admit(at place) error {
	if !at.request.Given {
		return nil
	}
	s.forget(at.now)
	if s.requests.bytes+requestCost > s.requests.max {
		return fmt.Errorf("the request IDs of the last %v take a quarter of the memory: %w", store.RequestMemory, store.ErrFull)
	}
	return nil
}

// remember keeps the answer to a request that was admitted.
func (s *Store) remember(at place, a request.Answer) {
	if !at.request.Given {
		return
	}
	s.requests.add(at.request, a, at.now)
	s.used += requestCost
	s.wakeAt((at.now/int64(period) + generations) * int64(period))
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
