package lease

import "time"

// judge counts who is late, and begins or ends preserving: then it returns the state. Who
// stops together renewed last at about the same time: so all of them are late before the
// first of them is over.
func (t *Table) judge(now int64) (changed *State) {
	t.judged, t.late = now, 0
	young := 0
	for _, l := range t.byID {
		if l.late(now) {
			t.late++
		}
		if l.young(now) {
			young++
		}
	}
	of := len(t.byID) + max(t.left.count(now)-young, 0)
	many := t.late > t.opts.Few && float64(t.late) > (1-t.opts.Share)*float64(of)
	t.exhausted = many && (t.exhausted || !t.preserving.IsZero() && time.Since(t.preserving) >= t.opts.Longest)
	preserve := many && !t.exhausted
	if preserve == !t.preserving.IsZero() {
		return nil
	}
	t.preserving = time.Time{}
	switch {
	case preserve:
		t.preserving = time.Now()
	case !t.exhausted:
		t.forgive(now)
	}
	s := t.state()
	return &s
}

// matures is the second in which an instance has had a lease for a time to live.
func matures(since int64, ttl time.Duration) int64 { return (since + int64(ttl)) / int64(time.Second) }

// young tells whether an instance had no lease a time to live ago.
func (l *lease) young(now int64) bool { return now/int64(time.Second) <= matures(l.since, l.ttl) }

// left counts who was dropped and was not young, by the second up to which that is no longer
// ago than a time to live: so there are no more seconds than the longest has.
type left map[int64]int

func (l left) note(now int64, ttl time.Duration) { l[matures(now, ttl)]++ }

func (l left) count(now int64) (n int) {
	for second, some := range l {
		if now/int64(time.Second) > second {
			delete(l, second)
			continue
		}
		n += some
	}
	return n
}
