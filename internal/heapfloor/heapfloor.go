// Package heapfloor keeps a small heap from being collected all the time.
package heapfloor

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Floor is how large the heap may become before it is collected. Most services keep
// little, and by Go's own measure, twice what is kept, would be collected many times in a
// second.
const Floor = 64 << 20

// Hold holds the floor from now on, unless GOGC says how often to collect. GOMEMLIMIT goes
// before it in any case. It is for the main function of a process.
func Hold() {
	if os.Getenv("GOGC") == "" { //nolint:forbidigo // which the runtime reads, too
		adjust()
	}
}

// adjust says when to collect next, now and after each collection.
func adjust() {
	debug.SetGCPercent(Percent(live()))
	runtime.SetFinalizer(&unused{}, func(*unused) { adjust() })
}

// unused is what the next collection finds.
type unused struct{ _ [64]byte } // not so small that it shares its place with others

// Percent is what GOGC should be for so many bytes that are kept.
func Percent(live uint64) int {
	const usual, least = 100, 4 << 20
	return max(usual, int(Floor*100/max(live, least))-100) //nolint:gosec // at most 1,500
}

func live() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
