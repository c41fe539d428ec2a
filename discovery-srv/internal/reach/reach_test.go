package reach_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/discovery-srv/internal/reach"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestPause: each is twice as long as the one before, up to the longest, less a half at most,
// until something has lasted.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p reach.Pause
		rise := func() {
			t.Helper()
			for want := reach.Shortest; want < 8*reach.Longest; want *= 2 {
				begun := time.Now()
				if !p.Wait(t.Context()) {
					t.Fatal("a pause without an end is cut off")
				}
				most := min(want, reach.Longest)
				if got := time.Since(begun); got < most/2 || got >= most {
					t.Errorf("%v, want %v less up to a half", got, most)
				}
				time.Sleep(reach.Longest) // a try that has failed
			}
		}
		rise()
		time.Sleep(time.Nanosecond) // longer than a try
		rise()

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		if p.Wait(ctx) || time.Since(begun) != time.Millisecond {
			t.Error("a pause outlives its context")
		}
	})
}

// TestPlace goes on where a watch was, at the same address alone.
func TestPlace(t *testing.T) {
	var p reach.Place
	told := func(index uint64) { p.Told(&discoverypb.WatchResponse{Index: index}) }
	from := func(address string, want uint64) {
		t.Helper()
		if got := p.From(address); got != want {
			t.Errorf("at %q from %d, want %d", address, got, want)
		}
	}
	from("a:1", 0)
	told(7)
	told(0)
	from("a:1", 7) // it was cut off before it told anything
	from("a:1", 7)
	told(9)
	from("b:1", 0)
	from("a:1", 0)
	told(11)
	from("a:1", 11)
	from("", 0)
	told(12)
	from("", 0)
}
