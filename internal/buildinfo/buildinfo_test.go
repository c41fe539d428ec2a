package buildinfo_test

import (
	"regexp"
	"runtime"
	"testing"

	"github.com/micro/platform/internal/buildinfo"
)

// version is a revision, a tag, or devel, as in this test.
var version = regexp.MustCompile(`^(devel|v\d\S+|[0-9a-f]{12}(\+dirty)?)$`)

func TestLine(t *testing.T) {
	if got, want := buildinfo.Line("kv-srv"), "kv-srv "+buildinfo.Version()+" ("+runtime.Version()+")"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := buildinfo.Version(); !version.MatchString(got) {
		t.Errorf("got version %q", got)
	}
}
