package ring_test

import (
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/kvclient"
)

// TestLedger: what must not be is seen.
func TestLedger(t *testing.T) {
	item := func(e *entry, value string, version uint64) *kvclient.Item {
		return &kvclient.Item{Key: e.key, Value: []byte(e.key + value), Version: version}
	}
	for name, tt := range map[string]struct {
		then func(e *entry) error // after two writes of versions 10 and 20
		want string               // in the error; "": none
	}{
		"the last write":  {func(e *entry) error { return e.saw(e.look(), item(e, "#2", 20)) }, ""},
		"lost":            {func(e *entry) error { return e.saw(e.look(), nil) }, "is lost"},
		"back":            {func(e *entry) error { return e.saw(e.look(), item(e, "#1", 10)) }, "went back"},
		"another version": {func(e *entry) error { return e.saw(e.look(), item(e, "#2", 30)) }, "acknowledged with 20"},
		"another write's": {func(e *entry) error { return e.saw(e.look(), item(e, "#1", 20)) }, "acknowledged with 10"},
		"of nobody":       {func(e *entry) error { return e.saw(e.look(), item(e, "#9", 30)) }, "acknowledged with 0"},
		"another key's value": {func(e *entry) error {
			return e.saw(e.look(), &kvclient.Item{Key: e.key, Value: []byte("k/000007#2"), Version: 20})
		}, "holds"},
		"read before": {func(e *entry) error { g := glimpse{floor: 10, there: true}; return e.saw(g, item(e, "#1", 10)) }, ""},
		"without its end": {func(e *entry) error {
			e.begin()
			return e.saw(e.look(), item(e, "#4", 40)) // the fourth has one
		}, "ends at"},
		"a version again": {func(e *entry) error { return e.begin().done(20, true) }, "after 20"},
		"under way":       {func(e *entry) error { return e.saw(e.look(), item(e, "#3", 30)) }, ""},
		"back after what was under way": {func(e *entry) error {
			_ = e.saw(e.look(), item(e, "#3", 30))
			return e.saw(e.look(), item(e, "#2", 20))
		}, "went back"},
		"being deleted": {func(e *entry) error { e.beginDelete(); return e.saw(e.look(), nil) }, ""},
		"deleted":       {func(e *entry) error { e.beginDelete(); e.deleted(); return e.saw(e.look(), nil) }, ""},
		"deleted and back": {func(e *entry) error {
			e.beginDelete()
			e.deleted()
			return e.saw(e.look(), item(e, "#2", 20))
		}, "went back"},
		"deleted meanwhile": {func(e *entry) error { g := e.look(); e.beginDelete(); e.deleted(); return e.saw(g, nil) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newLedger(1).entries[0]
			for _, version := range []uint64{10, 20} {
				if err := e.begin().done(version, true); err != nil {
					t.Fatal(err)
				}
			}
			e.begin() // has no answer
			err := tt.then(e)
			if got := err == nil; got != (tt.want == "") || !got && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
