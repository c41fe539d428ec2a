package lease

// Wait is one caller's wait for the lease on a key. Who has it leaves it.
type Wait struct {
	table *Table
	entry *entry
}

// Wait begins to wait for the next End of a key, whether or not it is leased now. How many
// wait is for the callers to bound.
func (t *Table) Wait(namespace, key string) Wait {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := name{namespace, key}
	e := t.all[n]
	if e == nil {
		e = t.add(n)
	}
	if e.ended == nil {
		e.ended, e.turn = make(chan struct{}), make(chan struct{}, 1)
	}
	e.waiting++
	t.stats.Waiting++
	return Wait{t, e}
}

// Ended is closed by the next End of the key. It is not when the time of a lease is over:
// whoever has the turn looks for that.
func (w Wait) Ended() <-chan struct{} { return w.entry.ended }

// Turn takes one element from one of those who wait for a key: who has sent it is to see
// whether there is an item by now, or no lease, for all of them. It is given back by Pass.
func (w Wait) Turn() chan<- struct{} { return w.entry.turn }

// Pass gives the turn to another of those who wait.
func (w Wait) Pass() { <-w.entry.turn }

// Leave ends the wait.
func (w Wait) Leave() {
	t, e := w.table, w.entry
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Waiting--
	if e.waiting--; e.waiting == 0 && e.at == notLeased && t.all[e.name] == e {
		t.remove(e)
	}
}
