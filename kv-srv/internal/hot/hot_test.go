package hot_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/kv-srv/internal/hot"
)

// clock is a time that passes when the test says so.
type clock struct{ time.Time }

func newClock() *clock { return &clock{time.Now()} }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) advance(d time.Duration) { c.Time = c.Add(d) }

func TestRates(t *testing.T) {
	c := newClock()
	k := hot.New(c.now, rand.Uint32)
	for range 5 {
		k.Read("a", "k")
		k.Written("b", "k")
		k.Read("b", "k")
	}
	k.Written("a", "l")
	want := func(what, namespace string, limit int, want ...hot.Key) {
		t.Helper()
		if diff := cmp.Diff(want, k.Top(namespace, limit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	of := func(uses int, seconds float64) float64 { return float64(uses) / seconds }
	want("at once, as if in a second", "", 1, hot.Key{Namespace: "b", Key: "k", Reads: of(5, 1), Writes: of(5, 1)})
	c.advance(10 * time.Second)
	bk, ak := hot.Key{Namespace: "b", Key: "k", Reads: of(5, 10), Writes: of(5, 10)}, hot.Key{Namespace: "a", Key: "k", Reads: of(5, 10)}
	al := hot.Key{Namespace: "a", Key: "l", Writes: of(1, 10)}
	want("after a while", "", 10, bk, ak, al)
	want("two of them", "", 2, bk, ak)
	want("of a namespace", "a", 10, ak, al)

	c.advance(40 * time.Second)
	k.Read("a", "k")
	want("with later ones", "a", 1, hot.Key{Namespace: "a", Key: "k", Reads: of(6, 50)})
	c.advance(30 * time.Second)
	want("without those of long ago", "", 10, hot.Key{Namespace: "a", Key: "k", Reads: of(1, 68)})
	c.advance(24 * time.Hour)
	if got := k.Top("", 10); len(got) > 0 {
		t.Errorf("after a day without any: got %v", got)
	}
	k.Read("a", "k")
	want("after that", "", 10, hot.Key{Namespace: "a", Key: "k", Reads: of(1, 60)})
}

// TestBounds compares figures with exact counts, of uses of many more keys than there is
// room for, over a time in which some are forgotten.
func TestBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		skew   float64
		rate   int     // uses in a second
		sample float64 // one of so many is counted, at least
	}{
		"quiet, steep": {1.5, 80, 1}, "quiet, flat": {1.01, 80, 1},
		"busy, steep": {1.5, 2000, 16}, "busy, flat": {1.01, 2000, 16},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			zipf := rand.NewZipf(random, tt.skew, 1, 1<<20)
			c := newClock()
			k := hot.New(c.now, random.Uint32)
			exact, total := map[string]float64{}, 0.0
			for second := range 120 {
				for range tt.rate {
					key := fmt.Sprint(zipf.Uint64())
					if second < 60 { // other keys, and gone in the end
						k.Read("ns", "old"+key)
						continue
					}
					total++
					exact[key]++
					if random.IntN(3) == 0 {
						k.Written("ns", key)
					} else {
						k.Read("ns", key)
					}
				}
				c.advance(time.Second)
			}
			c.advance(11 * time.Second) // the parts are those of the last 60 s of uses
			check(t, k.Top("", math.MaxInt), exact, total, tt.sample)
		})
	}
}

// check checks the bounds of the Space-Saving algorithm with 128 counters, and as much more
// as a sample may be wrong by: five sigma.
func check(t *testing.T, top []hot.Key, exact map[string]float64, total, sample float64) {
	t.Helper()
	const seconds = 71
	found := map[string]bool{}
	for _, key := range top {
		got, want := (key.Reads+key.Writes)*seconds, exact[key.Key]
		found[key.Key] = true
		margin := 1e-6 + 5*math.Sqrt((want+1)*(sample-1))
		if got > want+margin || got < want-total/128-margin {
			t.Errorf("%s: got %.1f uses of %.0f, within %.1f", key.Key, got, want, margin)
		}
	}
	sought := 0
	for key, uses := range exact {
		if uses <= total/128+5*math.Sqrt(uses*(sample-1)) {
			continue
		}
		if sought++; !found[key] {
			t.Errorf("%s, which has %.0f uses of %.0f, is not found", key, uses, total)
		}
	}
	if sought == 0 {
		t.Error("no key is frequent")
	}
}

// TestSample: a sample tells the rate.
func TestSample(t *testing.T) {
	c := newClock()
	random := rand.New(rand.NewPCG(3, 4))
	k := hot.New(c.now, random.Uint32)
	const uses = 100_000
	for range uses { // one of 128 is counted in the end, some 7,000 of them
		k.Read("ns", "k")
	}
	c.advance(10 * time.Second)
	got := k.Top("", 1)[0].Reads * 10
	if deviation := math.Abs(got/uses - 1); deviation > 0.1 { // more than five sigma
		t.Errorf("got %.0f uses, want about %d", got, uses)
	}
}

// TestMemory: the longest names, in all parts of the minute.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := newClock()
	k := hot.New(c.now, rand.Uint32)
	namespace := strings.Repeat("n", 63)
	for i := range 20_000 {
		k.Read(namespace, fmt.Sprintf("%01024d", i))
		c.advance(5 * time.Millisecond)
	}
	if took := heap() - before; took >= 1<<20 {
		t.Errorf("takes %d bytes, want less than 1 MiB", took)
	} else {
		t.Logf("takes %d bytes", took)
	}
	runtime.KeepAlive(k)
}

func TestConcurrently(t *testing.T) {
	k := hot.New(time.Now, rand.Uint32)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10_000 {
				k.Read("ns", fmt.Sprint(j%300))
				k.Written("ns", fmt.Sprint(i))
				if j%1000 == 0 {
					k.Top("ns", 10)
				}
			}
		})
	}
	all.Wait()
	if len(k.Top("ns", 100)) != 100 {
		t.Error("keys are lost")
	}
}
