package heapfloor_test

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/micro/platform/internal/heapfloor"
)

func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 1500, 1 << 20: 1500, 4 << 20: 1500, 32 << 20: 100, 40 << 20: 100, 1 << 40: 100} {
		if got := heapfloor.Percent(live); got != want {
			t.Errorf("%d bytes: got %d, want %d", live, got, want)
		}
	}
}

// TestHold: what is kept decides, from collection to collection.
func TestHold(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	heapfloor.Hold()
	kept := make([]byte, heapfloor.Floor)
	await(t, func(percent int) bool { return percent == 100 })
	runtime.KeepAlive(kept)
	await(t, func(percent int) bool { return percent > 100 })
}

func await(t *testing.T, yes func(percent int) bool) {
	t.Helper()
	for late := time.After(30 * time.Second); ; {
		runtime.GC()
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		if yes(percent) {
			return
		}
		select {
		case <-late:
			t.Fatalf("the percentage is %d", percent)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
