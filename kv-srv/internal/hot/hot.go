// Package hot estimates which keys are used most.
package hot

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The uses of about the last minute are counted, in parts of it. The oldest part goes when
// a new one begins.
const (
	parts = 6
	part  = 12 * time.Second
)

// Of a part's uses, the first are counted, and then one of 2, taken at random, one of 4 and
// so on: so those of a busy time cost next to nothing.
const (
	each   = 1 << 10 // how many are counted before the others are halved
	rarest = 1 << 8
)

// Keys counts the uses of keys, in less than 1 MiB. Its methods may be called at once.
//
// A figure is what was counted, or less by no more than a 128th of the uses of all keys. So
// a key that has more than that is among those found.
type Keys struct {
	now    func() time.Time
	random func() uint32
	skip   atomic.Uint32 // one of skip+1 uses is counted; changes under mu

	mu      sync.Mutex
	begun   time.Time // when counting began
	latest  time.Time // when the latest part began
	parts   [parts]summary
	at      int // the latest part
	counted int // in the latest part
}

// New returns a count of nothing. Random returns any 32 bits, equally often; it is called
// at once from several goroutines.
func New(now func() time.Time, random func() uint32) *Keys {
	begun := now()
	return &Keys{now: now, random: random, begun: begun, latest: begun}
}

// Read notes that a key was read.
func (k *Keys) Read(namespace, key string) {
	if skip := k.skip.Load(); skip == 0 || k.random()&skip == 0 {
		k.count(namespace, key, use{reads: uint64(skip) + 1})
	}
}

// Written notes that a key was written.
func (k *Keys) Written(namespace, key string) {
	if skip := k.skip.Load(); skip == 0 || k.random()&skip == 0 {
		k.count(namespace, key, use{writes: uint64(skip) + 1})
	}
}

// count counts a use, for itself and for those that are not counted.
func (k *Keys) count(namespace, key string, u use) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.advance(k.now())
	k.parts[k.at].add(name{namespace, key}, u)
	if k.counted++; k.counted%each == 0 {
		k.skip.Store(min(2*k.skip.Load()+1, rarest-1))
	}
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
		k.counted = 0
		k.skip.Store(0)
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
		top = append(top, Key{n.namespace, n.key, float64(u.reads) / seconds, float64(u.writes) / seconds})
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
