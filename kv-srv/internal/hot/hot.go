// Package hot estimates which keys are used most.
package hot

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// OneOf is how many uses there are to each that is counted, taken at random: so the others
// cost next to nothing.
const OneOf = 16

// The uses of about the last minute are counted, in parts of it. The oldest part goes when
// a new one begins.
const (
	parts = 6
	part  = 12 * time.Second
)

// Keys counts the uses of keys, in less than 1 MiB. Its methods may be called at once.
//
// A figure is never more than what was counted, and less than that by no more than a 128th
// of the uses of all keys. So a key that has more than that is among those found.
type Keys struct {
	now    func() time.Time
	random func() uint32

	mu     sync.Mutex
	begun  time.Time // when counting began
	latest time.Time // when the latest part began
	parts  [parts]summary
	at     int // the latest part
}

// New returns a count of nothing. Random returns a number that nobody foresees; it is
// called at once from several goroutines.
func New(now func() time.Time, random func() uint32) *Keys {
	begun := now()
	return &Keys{now: now, random: random, begun: begun, latest: begun}
}

// Read notes that a key was read.
func (k *Keys) Read(namespace, key string) {
	if k.random()%OneOf == 0 {
		k.count(namespace, key, use{reads: 1})
	}
}

// Written notes that a key was written.
func (k *Keys) Written(namespace, key string) {
	if k.random()%OneOf == 0 {
		k.count(namespace, key, use{writes: 1})
	}
}

func (k *Keys) count(namespace, key string, u use) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.advance(k.now())
	k.parts[k.at].add(name{namespace, key}, u)
}

// advance begins the part of a time, and forgets those that are over by then.
func (k *Keys) advance(now time.Time) {
	for n := 0; now.Sub(k.latest) >= part; n++ {
		if n == parts { // all are forgotten
			k.latest = now
			return
		}
		k.at = (k.at + 1) % parts
		k.parts[k.at] = summary{}
		k.latest = k.latest.Add(part)
	}
}

// Key is how often a key was used, in a second.
type Key struct {
	Namespace, Key string
	Reads, Writes  float64
}

// Top returns the keys of a namespace, or of all if it is "", that were used most: the most
// frequent first, and as many as limit at most.
func (k *Keys) Top(namespace string, limit int) []Key {
	uses, seconds := k.sum(namespace)
	top := make([]Key, 0, len(uses))
	for n, u := range uses {
		rate := func(counted uint32) float64 { return float64(counted) * OneOf / seconds }
		top = append(top, Key{n.namespace, n.key, rate(u.reads), rate(u.writes)})
	}
	slices.SortFunc(top, func(a, b Key) int {
		return cmp.Or(cmp.Compare(b.Reads+b.Writes, a.Reads+a.Writes), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Key, b.Key))
	})
	return top[:min(limit, len(top))]
}

// sum returns what was counted, and in how many seconds.
func (k *Keys) sum(namespace string) (uses map[name]use, seconds float64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.advance(now)
	uses = make(map[name]use)
	for i := range k.parts {
		k.parts[i].sum(namespace, uses)
	}
	from := k.latest.Add(-(parts - 1) * part)
	if from.Before(k.begun) {
		from = k.begun
	}
	return uses, max(now.Sub(from).Seconds(), 1)
}
