package lease

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
