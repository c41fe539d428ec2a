package disk

import (
	"encoding/binary"
	"errors"
)

// tally is what a namespace holds.
type tally struct{ keys, bytes int64 }

// tally returns that of a namespace, and makes it if there is none. The queue is locked,
// as for all that follows.
func (q *queue) tally(namespace string) *tally {
	t := q.tallies[namespace]
	if t == nil {
		t = new(tally)
		q.tallies[namespace] = t
	}
	return t
}

// drop drops a tally of nothing.
func (q *queue) drop(namespace string, t *tally) {
	if t.keys == 0 {
		delete(q.tallies, namespace)
	}
}

// count adds to a tally, which the group that is filled brings to the disk.
func (q *queue) count(namespace string, t *tally, keys, bytes int64) {
	q.items += keys
	t.keys += keys
	t.bytes += bytes
	q.filling.counted[namespace] = struct{}{}
	q.drop(namespace, t)
}

// writeTallies adds the tallies that a group changes to its batch.
func (q *queue) writeTallies(g *group) error {
	var errs []error
	for namespace := range g.counted {
		if t := q.tallies[namespace]; t != nil {
			q.value = binary.AppendVarint(binary.AppendVarint(q.value[:0], t.keys), t.bytes)
			errs = append(errs, g.batch.Set(tallyKey(namespace), q.value, nil))
		} else {
			errs = append(errs, g.batch.Delete(tallyKey(namespace), nil))
		}
	}
	return errors.Join(errs...)
}

// loadTallies reads what namespaces hold.
func (s *Store) loadTallies() error {
	return s.scan([]byte{tagTally}, func(key, value []byte) error {
		t, err := tallyOf(value)
		s.queue.tallies[string(key[1:])] = &t
		s.queue.items += t.keys
		return err
	})
}

// tallyOf reads what writeTallies has written.
func tallyOf(b []byte) (tally, error) {
	r := reader{b: b}
	t := tally{keys: r.int(), bytes: r.int()}
	return t, r.err
}
