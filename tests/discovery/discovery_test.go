// Package discovery_test runs discovery and applications as processes, ends them, and counts
// what their callers notice.
package discovery_test

import (
	"os"
	"testing"
	"time"

	"github.com/micro/platform"
)

// TestRollingRestart: no call fails while each instance is restarted.
func TestRollingRestart(t *testing.T) {
	f := assemble(t)
	f.load(func() {
		for _, app := range f.apps {
			app.leave()
			app.start()
			f.await(3)
		}
	})
	f.wantNoFailure(time.Time{})
}

// TestKilled: calls under way at an instance that is killed fail, at most one of each caller,
// and no others.
func TestKilled(t *testing.T) {
	f := assemble(t)
	killed := f.lose()
	f.wantNoFailure(killed)
	if len(f.failed) > callers {
		t.Errorf("%d calls failed, want no more than those that were under way", len(f.failed))
	}
}

// TestKilledIdempotent: of calls that may be made twice none fails.
func TestKilledIdempotent(t *testing.T) {
	f := assemble(t)
	f.options = append(f.options, platform.Idempotent)
	f.lose()
	f.wantNoFailure(time.Time{})
}

// lose kills an instance under load, starts it again, and returns when it was killed.
func (f *fleet) lose() (killed time.Time) {
	f.load(func() {
		pass(f.t, time.Second)
		f.apps[0].kill()
		killed = time.Now()
		pass(f.t, 3*time.Second)
		f.apps[0].start()
		pass(f.t, time.Second)
	})
	return killed
}

// TestAway: callers notice neither that discovery is away nor that it comes back empty. AWAY
// says for how long it is, and has the test go on until discovery is believed again.
func TestAway(t *testing.T) {
	away, back := 5*time.Second, 5*time.Second
	if s := os.Getenv("AWAY"); s != "" {
		t.Parallel()
		var err error
		if away, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		back = 35 * time.Second
	}
	f := assemble(t)
	f.load(func() {
		f.discovery.kill()
		least := f.watch(t, away)
		f.discovery.start()
		least = min(least, f.watch(t, back))
		if least < 3 {
			t.Errorf("only %d instances were known at a time", least)
		}
	})
	f.wantNoFailure(time.Time{})
}

// watch returns the smallest number of instances that are known within a while.
func (f *fleet) watch(t *testing.T, d time.Duration) int {
	t.Helper()
	least := f.known()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < d; <-tick.C {
		least = min(least, f.known())
	}
	return least
}

// pass lets a time go by that callers notice.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
