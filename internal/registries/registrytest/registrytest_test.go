package registrytest_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/registrytest"
)

func none(testing.TB) registry.Registry { return nil }

func fail(t testing.TB) { t.Helper(); t.Fatalf("%d", 1) }

// TestAttempt: whatever a test does that is to fail, the suite goes on and knows.
func TestAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(testing.TB)
		want []string
	}{
		"passes": {func(testing.TB) {}, nil},
		"errors": {func(t testing.TB) { t.Error("a"); t.Errorf("%d", 1) }, []string{"a", "1"}},
		"ends":   {func(t testing.TB) { fail(t); t.Error("b") }, []string{"1"}},
		"panics": {func(testing.TB) { panic("lost") }, []string{"panics: lost"}},
	} {
		if d := cmp.Diff(registrytest.Attempt(t, registrytest.Harness{Open: none}, tt.run), tt.want); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAttemptHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		got := registrytest.Attempt(t, registrytest.Harness{Open: none}, func(testing.TB) { <-release })
		if d := cmp.Diff(got, []string{"does not end within 1m0s"}); d != "" {
			t.Error(d)
		}
	})
}

// TestOptOut: an opt-out that is not needed, or that hides something else, is an error.
func TestOptOut(t *testing.T) {
	o := registrytest.OptOut{Test: "Close", Why: "it has none", Shows: "no Close"}
	for name, tt := range map[string]struct {
		failures []string
		want     string
	}{
		"as said":   {[]string{"first", "it has no Close"}, ""},
		"needless":  {nil, `the opt-out of "Close" is no longer needed: the test passes`},
		"otherwise": {[]string{"away"}, `the opt-out of "Close": want "no Close" in what fails, got ["away"]`},
	} {
		if err := o.Check(tt.failures); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	if err := registrytest.Plan(o, registrytest.OptOut{Test: "Names", Why: "x", Shows: "x"}); err != nil {
		t.Error(err)
	}
	for want, bad := range map[string]registrytest.OptOut{
		"no such test":  {Test: "Nam", Why: "x", Shows: "x"},
		"want why, and": {Test: "Names", Shows: "x"},
		"that shows it": {Test: "Names", Why: "x"},
	} {
		if err := registrytest.Plan(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", bad, err, want)
		}
	}
}
