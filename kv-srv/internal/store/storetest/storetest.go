// Package storetest tests what store.Store promises, for every driver alike.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
)

// OptOut names what a backend cannot do, a test ("Watch/Replay") or a group of tests
// ("Watch"), and says why. The tests are skipped, once the store has shown that it
// answers the operation in question with *store.UnsupportedError or *store.LimitError: an
// opt-out hides nothing. What every backend must do has no such operation and no opt-out.
type OptOut struct {
	Test string
	Why  string
}

// test is one test of the suite. Probe is the call that a store answers with
// *store.UnsupportedError or *store.LimitError if it opts out; without one it cannot.
type test struct {
	name  string
	probe func(*kv) error
	run   func(*kv)
}

// Run runs the suite, each test in parallel, against a store of its own from open and
// in a random namespace of its own, so that stores may share a server. Run closes the
// stores. What open needs for longer than a call ends with t.Cleanup: the tests go on
// when Run has returned.
func Run(t *testing.T, open func(*testing.T) store.Store, optOut ...OptOut) {
	t.Helper()
	reasons, err := plan(tests(), optOut)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKV(t, open(t))
			if why, out := reasons[test.name]; out {
				k.mustRefuse(test.probe(k))
				t.Skip(why)
			}
			test.run(k)
		})
	}
}

func tests() []test {
	return slices.Concat(getTests(), getAllTests(), putTests(), putAllTests(), deleteTests(), incrementTests(), requestTests(),
		expiryTests(), listTests(), deletePrefixTests(), namespaceTests(), watchTests(), concurrencyTests(), lifeTests())
}

// plan returns the reasons by the names of the tests that are opted out of.
func plan(tests []test, optOut []OptOut) (map[string]string, error) {
	reasons := make(map[string]string)
	for _, o := range optOut {
		if strings.TrimSpace(o.Why) == "" {
			return nil, fmt.Errorf("opt out of %q: no reason given", o.Test)
		}
		known := false
		for _, t := range tests {
			if t.name != o.Test && !strings.HasPrefix(t.name, o.Test+"/") {
				continue
			}
			if t.probe == nil {
				return nil, fmt.Errorf("opt out of %q: every backend must pass %s", o.Test, t.name)
			}
			known = true
			reasons[t.name] = o.Why
		}
		if !known {
			return nil, fmt.Errorf("opt out of %q: no such test", o.Test)
		}
	}
	return reasons, nil
}

// kv is a namespace of a store in a test.
type kv struct {
	*testing.T
	store  store.Store
	ns     string
	closed bool
}

func newKV(t *testing.T, s store.Store) *kv {
	k := &kv{T: t, store: s, ns: "test-" + strings.ToLower(rand.Text())}
	t.Cleanup(func() {
		if k.closed {
			return
		}
		k.clear(k.ns)
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return k
}

// clear leaves a shared server as it was, as far as the store can.
func (k *kv) clear(ns string) {
	_, err := k.store.DeletePrefix(context.WithoutCancel(k.Context()), ns, "")
	if err != nil && !unsupported(err) {
		k.Errorf("clean up: %v", err)
	}
}

// other returns a second namespace, whose name continues that of the first.
func (k *kv) other() *kv {
	o := &kv{T: k.T, store: k.store, ns: k.ns + "-2"}
	k.Cleanup(func() { o.clear(o.ns) })
	return o
}

func unsupported(err error) bool {
	var e *store.UnsupportedError
	return errors.As(err, &e)
}

func (k *kv) mustRefuse(err error) {
	k.Helper()
	if limit, ok := errors.AsType[*store.LimitError](err); ok {
		if limit.Backend == "" || limit.Field == "" || limit.Limit == "" {
			k.Fatalf("the refusal must name the backend, the field and what is allowed: %+v", limit)
		}
		return
	}
	var e *store.UnsupportedError
	if !errors.As(err, &e) {
		k.Fatalf("the store opts out, but answers %v instead of *store.UnsupportedError or *store.LimitError", err)
	}
	if e.Backend == "" || e.Op == "" || len(e.Have) == 0 {
		k.Fatalf("the refusal must name the backend, the operation and who can: %+v", e)
	}
}
