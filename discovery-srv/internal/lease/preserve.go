package lease

import "time"

// judge counts who is late, and begins or ends preserving: then it returns the state. Who
// stops together renewed last at about the same time: so all of them are late before the
// first of them is over.
func (t *Table) judge(now int64) (changed *State) {
	t.judged, t.late = now, 0
	for _, l := range t.byID {
		if l.late(now) {
			t.late++
		}
	}
	many := t.late > t.opts.Few && float64(t.late) > (1-t.opts.Share)*float64(len(t.byID))
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

// forgive gives those that are late their whole time: when enough of them are back, others
// may be about to be.
func (t *Table) forgive(now int64) {
	for _, l := range t.byID {
		if l.late(now) {
			l.renewed.Store(now)
		}
	}
}

// absence is how long Run may not have looked before it is not the instances that were away,
// but this process: it was stopped, or its machine was.
const absence = 3 * pause

// attend says that the time until now was not one of absence.
func (t *Table) attend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = t.now()
}

// excuse gives all leases their whole time after such an absence.
func (t *Table) excuse(now int64) {
	if away := now - t.looked; t.looked > 0 && away > int64(absence) {
		for _, l := range t.byID {
			l.renewed.Store(now)
		}
	}
	t.looked = now
}
