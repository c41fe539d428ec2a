package ring_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

const (
	attempt = 5 * time.Second // a call has at one node
	grudge  = 2 * time.Second // that a caller leaves a node alone which has failed it

	// breath is how long a caller waits before it calls again. The connections of a
	// process that is killed end one after the other: that to the caller may be the first,
	// and that to the node which it tries next the last.
	breath = 50 * time.Millisecond
)

// A caller calls as an application does that knows the addresses of all nodes: one of
// them, and if that fails another one, once, which it takes from those that live. One
// goroutine uses it.
type caller struct {
	cluster *cluster
	seen    *record
	grpc    bool
	failed  map[string]time.Time // nodes, and when they last did
}

func (c *cluster) caller(grpc bool, seen *record) *caller {
	return &caller{cluster: c, seen: seen, grpc: grpc, failed: map[string]time.Time{}}
}

// do makes a call, and tells how many times it was made. It returns what the last one
// did: an answer, which may be ErrNotFound or ErrConflict, or what the caller is left
// with.
func (c *caller) do(name string, call func(context.Context, *kvclient.Client) error) (tries int, err error) {
	begin := time.Now()
	first := c.pick(c.cluster.known())
	if err = c.try(first, call); answered(err) {
		c.seen.answer(name, time.Since(begin))
		return 1, err
	}
	why := fmt.Errorf("at %s: %w", first.address, err)
	c.seen.retry(why, first.excused.Load())
	if !errors.Is(err, kvclient.ErrUnavailable) { // there is no other excuse
		c.seen.problem("%s %v", name, why)
	}
	pause(context.WithoutCancel(c.cluster.t.Context()), breath)
	second := c.pick(c.cluster.others(first.address))
	if err = c.try(second, call); answered(err) {
		c.seen.answer(name, time.Since(begin))
		return 2, err
	}
	c.seen.problem("%s failed twice, in %v: %v; at %s: %v", name, time.Since(begin), why, second.address, err)
	return 2, err
}

func answered(err error) bool {
	return err == nil || errors.Is(err, kvclient.ErrNotFound) || errors.Is(err, kvclient.ErrConflict)
}

func (c *caller) try(d *door, call func(context.Context, *kvclient.Client) error) error {
	// A call under way ends by itself, also at the end of a test.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.cluster.t.Context()), attempt)
	defer cancel()
	excused := d.excused.Load()
	kv := d.mucp
	if c.grpc {
		kv = d.grpc
	}
	err := call(ctx, kv)
	if !answered(err) {
		c.failed[d.address] = time.Now()
	}
	if errors.Is(err, context.DeadlineExceeded) && !excused && !d.excused.Load() {
		c.seen.problem("%s lives, and did not answer within %v: %v", d.address, attempt, err)
	}
	return err
}

// pick takes any of some nodes, and of these none that has just failed, if there are
// others.
func (c *caller) pick(doors []*door) *door {
	rand.Shuffle(len(doors), func(i, j int) { doors[i], doors[j] = doors[j], doors[i] })
	for _, d := range doors {
		if time.Since(c.failed[d.address]) > grudge {
			return d
		}
	}
	return slices.MinFunc(doors, func(a, b *door) int { return c.failed[a.address].Compare(c.failed[b.address]) })
}

// others are the nodes that are there to answer, but one if there is another: to find
// nobody at an address is no second call.
func (c *cluster) others(not string) []*door {
	doors := c.known()
	for _, unfit := range []func(*door) bool{
		func(d *door) bool { return d.excused.Load() },
		func(d *door) bool { return d.address == not },
	} {
		if fit := slices.DeleteFunc(slices.Clone(doors), unfit); len(fit) > 0 {
			doors = fit
		}
	}
	return doors
}

// A record is what callers saw. Its methods may be called at once.
type record struct {
	mu       sync.Mutex
	begin    time.Time
	answers  map[string]int
	retried  int       // calls that one node was not enough for
	last     time.Time // when such a node lived
	slowest  time.Duration
	slow     string
	problems []string // the first of them
	more     int
	reasons  map[string]int // why the first node was not enough
}

func newRecord() *record {
	return &record{begin: time.Now(), answers: map[string]int{}, reasons: map[string]int{}}
}

func (r *record) answer(name string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[name]++
	if took > r.slowest {
		r.slowest, r.slow = took, name
	}
}

// retry notes a call that one node was not enough for. Excused tells that it was away.
func (r *record) retry(why error, excused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retried++
	what := kind(why)
	if excused {
		what = "a node that was away: " + what
	} else {
		r.last = time.Now()
	}
	r.reasons[what]++
}

// kind is an error without what is of one call alone.
func kind(err error) string {
	var e *kvclient.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Op + ": " + e.Code + " (" + e.Reason + ")"
}

// problem is what must not be.
func (r *record) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) == 20 {
		r.more++
		return
	}
	r.problems = append(r.problems, fmt.Sprintf("%8.3fs ", time.Since(r.begin).Seconds())+fmt.Sprintf(format, args...))
}

// lastRetry is how long after a moment a node that lives was not enough for a call; 0: it
// always was.
func (r *record) lastRetry(since time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.last.Sub(since))
}

// String tells how many calls were answered.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.answers)) {
		fmt.Fprintf(&b, "%s %d, ", name, r.answers[name])
	}
	fmt.Fprintf(&b, "%d of them called twice, the slowest in %v (%s)", r.retried, r.slowest.Round(time.Millisecond), r.slow)
	for _, why := range slices.Sorted(maps.Keys(r.reasons)) {
		fmt.Fprintf(&b, "\n\t%d x %s", r.reasons[why], why)
	}
	return b.String()
}
