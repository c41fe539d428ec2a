package near_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/near"
)

// run is one run of a watch, whose events a test sends. The watch ends when they are
// closed, and some time after its context.
type run struct {
	events chan near.Event
	ended  time.Time
}

// watches are the runs that Follow begins.
type watches struct {
	runs   chan *run
	linger time.Duration
}

func (w *watches) watch(ctx context.Context) iter.Seq[near.Event] {
	r := &run{events: make(chan near.Event)}
	w.runs <- r
	return func(yield func(near.Event) bool) {
		defer func() { r.ended = time.Now() }()
		for {
			select {
			case e, ok := <-r.events:
				if !ok || !yield(e) {
					return
				}
			case <-ctx.Done():
				time.Sleep(w.linger)
				return
			}
		}
	}
}

// follow runs f beside Follow.
func follow(t *testing.T, linger time.Duration, f func(*testing.T, *near.Cache, *watches)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		c, w := near.New(1<<20), &watches{runs: make(chan *run), linger: linger}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Follow(ctx, w.watch)
		}()
		f(t, c, w)
		cancel()
		<-done
		if c.Stats().Live {
			t.Error("live after its watch")
		}
		synctest.Wait()
		goleak.VerifyNone(t, before)
	})
}

// begin has a watch run and keep an item.
func begin(t *testing.T, c *near.Cache, r *run) {
	t.Helper()
	r.events <- near.Event{Progress: true}
	synctest.Wait()
	c.Fetch("k").Done(item("k", 1, nil))
	if version(c, "k") != 1 || !c.Stats().Live {
		t.Fatalf("a watch that has begun keeps nothing: %+v", c.Stats())
	}
}

func TestFollow(t *testing.T) {
	follow(t, 0, func(t *testing.T, c *near.Cache, w *watches) {
		r := <-w.runs
		c.Fetch("k").Done(item("k", 1, nil))
		if version(c, "k") != 0 || c.Stats().Live {
			t.Error("keeps an item before its watch has begun")
		}
		begin(t, c, r)
		r.events <- put("k", 2)
		synctest.Wait()
		if got := version(c, "k"); got != 2 {
			t.Errorf("got %d after the change to 2", got)
		}
		close(r.events)
		synctest.Wait()
		if s := c.Stats(); version(c, "k") != 0 || s.Live || s.Items != 0 || s.Emptied != 1 {
			t.Errorf("after its watch has ended: %+v", s)
		}
		begin(t, c, <-w.runs)
	})
}

// TestSilence: a watch that says nothing for 40 seconds is over, also if it takes its time
// to end.
func TestSilence(t *testing.T) {
	follow(t, 3*time.Second, func(t *testing.T, c *near.Cache, w *watches) {
		r := <-w.runs
		begin(t, c, r)
		for range 3 {
			time.Sleep(30 * time.Second)
			r.events <- near.Event{Progress: true}
		}
		time.Sleep(20 * time.Second)
		c.Fetch("k").Done(item("k", 1, nil))
		time.Sleep(20*time.Second - 1)
		if version(c, "k") != 1 {
			t.Error("empty after less than 40s")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := c.Stats(); version(c, "k") != 0 || s.Live || s.Emptied != 1 {
			t.Errorf("after 40s of silence: %+v", s)
		}
		begin(t, c, <-w.runs)
	})
}

// TestPauses: each watch that fails is followed by a longer pause, until one has lasted.
func TestPauses(t *testing.T) {
	follow(t, 0, func(t *testing.T, c *near.Cache, w *watches) {
		failed, most := time.Now(), 100*time.Millisecond
		next := func() *run {
			t.Helper()
			r := <-w.runs
			if pause := time.Since(failed); pause < most/2 || pause > most {
				t.Errorf("a pause of %v, want %v to %v", pause, most/2, most)
			}
			return r
		}
		close((<-w.runs).events)
		failed = time.Now()
		for range 12 {
			r := next()
			most = min(2*most, 10*time.Second)
			begin(t, c, r) // which lasts no while
			close(r.events)
			failed = time.Now()
		}
		r := next()
		begin(t, c, r)
		time.Sleep(20 * time.Second)
		close(r.events)
		failed, most = time.Now(), 100*time.Millisecond
		close(next().events)
	})
}
