// Package registrytest holds a registry against what services and callers rely on.
package registrytest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"
)

// patient is how long what should happen at once may take.
const patient = 30 * time.Second

// Harness is the registry under test.
type Harness struct {
	// Open returns a registry; each call that of another process. The suite closes it, if
	// it is an io.Closer.
	Open func(testing.TB) registry.Registry

	// End ends what Open has returned as the end of its process would: what it has
	// registered is not taken back. Nil: by Close.
	End func(registry.Registry)

	// Ignore is what a server in this process may begin meanwhile.
	Ignore []goleak.Option

	// OptOut is what the registry does otherwise.
	OptOut []OptOut
}

// OptOut names a test ("Watch/Stop") or a group of tests ("Names") that the registry does
// not pass, and says what it does instead. The tests are run all the same, some of them after
// Run has returned, and each must fail with an error that contains Shows: an opt-out hides
// nothing, and does not outlive its reason.
type OptOut struct {
	Test, Why, Shows string
}

type test struct {
	name string
	run  func(*suite)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	outs, err := plan(h.OptOut)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests() {
		t.Run(test.name, func(t *testing.T) {
			if out, is := outs[test.name]; is {
				t.Parallel() // most of them wait
				if err := out.check(attempt(t, h, test)); err != nil {
					t.Error(err)
				}
				return
			}
			leaks := goleak.IgnoreCurrent()
			s := begin(t, h, patient)
			test.run(s)
			s.end()
			if !closes(s.reg) {
				return // it says nothing of its end
			}
			if err := goleak.Find(append(h.Ignore, leaks)...); err != nil {
				t.Error(err)
			}
		})
	}
}

func tests() []test {
	return slices.Concat(basicTests(), nameTests(), watchTests(), ttlTests(), manyTests())
}

// plan returns the opt-outs by the names of their tests.
func plan(outs []OptOut) (map[string]OptOut, error) {
	planned := map[string]OptOut{}
	for _, o := range outs {
		if strings.TrimSpace(o.Why) == "" || strings.TrimSpace(o.Shows) == "" {
			return nil, fmt.Errorf("opt out of %q: want why, and the error that shows it", o.Test)
		}
		known := false
		for _, t := range tests() {
			if t.name == o.Test || strings.HasPrefix(t.name, o.Test+"/") {
				known, planned[t.name] = true, o
			}
		}
		if !known {
			return nil, fmt.Errorf("opt out of %q: no such test", o.Test)
		}
	}
	return planned, nil
}

// check says if a test has not failed as it should.
func (o OptOut) check(failures []string) error {
	switch {
	case len(failures) == 0:
		return fmt.Errorf("the opt-out of %q is no longer needed: the test passes", o.Test)
	case !slices.ContainsFunc(failures, func(f string) bool { return strings.Contains(f, o.Shows) }):
		return fmt.Errorf("the opt-out of %q: want %q in what fails, got %q", o.Test, o.Shows, failures)
	}
	return nil
}

// suite is one test.
type suite struct {
	testing.TB

	h       Harness
	reg     registry.Registry
	name    string        // of a service that nobody else has
	patient time.Duration // how long what should happen at once may take
	opened  []registry.Registry
}

func begin(t testing.TB, h Harness, patient time.Duration) *suite {
	t.Helper()
	s := &suite{TB: t, h: h, name: "test-" + uuid.NewString(), patient: patient}
	s.reg = s.open()
	return s
}

func (s *suite) open() registry.Registry {
	s.Helper()
	r := s.h.Open(s.TB)
	s.opened = append(s.opened, r)
	return r
}

// end closes what is open, the last first.
func (s *suite) end() {
	for _, r := range slices.Backward(s.opened) {
		s.close(r)
	}
}

func (s *suite) close(r registry.Registry) {
	s.Helper()
	if c, ok := r.(io.Closer); ok {
		if err := c.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
	}
}

// kill ends a registry as the end of its process would.
func (s *suite) kill(r registry.Registry) {
	if s.h.End != nil {
		s.h.End(r)
		return
	}
	s.close(r)
}

func closes(r registry.Registry) bool { _, ok := r.(io.Closer); return ok }
