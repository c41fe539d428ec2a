package registrytest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	// impatient is how long what is not expected to happen is waited for: longer than a
	// short TTL.
	impatient = 5 * time.Second

	// bound is how long a test that is to fail may take. What hangs is left behind.
	bound = time.Minute
)

// attempt runs a test that is to fail, and returns what it fails with.
func attempt(t testing.TB, h Harness, test test) []string {
	t.Helper()
	a := &attempted{TB: t, done: make(chan struct{})}
	go a.run(h, test)
	select {
	case <-a.done:
	case <-time.After(bound):
		a.Errorf("does not end within %v", bound)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failures
}

// attempted is a test whose failures are no failures of t.
type attempted struct {
	testing.TB

	done chan struct{}

	mu       sync.Mutex
	failures []string
}

func (a *attempted) run(h Harness, test test) {
	defer close(a.done)
	defer func() {
		if cause := recover(); cause != nil {
			a.Errorf("panics: %v", cause)
		}
	}()
	s := begin(a, h, impatient)
	defer s.end()
	test.run(s)
}

func (a *attempted) note(failure string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures = append(a.failures, failure)
}

func (a *attempted) Log(...any)                   {} // t may be over
func (a *attempted) Logf(string, ...any)          {}
func (a *attempted) Fail()                        { a.note("") }
func (a *attempted) FailNow()                     { a.Fail(); runtime.Goexit() }
func (a *attempted) Error(args ...any)            { a.note(fmt.Sprint(args...)) }
func (a *attempted) Errorf(f string, args ...any) { a.note(fmt.Sprintf(f, args...)) }
func (a *attempted) Fatal(args ...any)            { a.Error(args...); runtime.Goexit() }
func (a *attempted) Fatalf(f string, args ...any) { a.Errorf(f, args...); runtime.Goexit() }
func (a *attempted) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.failures) > 0
}
