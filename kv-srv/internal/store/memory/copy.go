package memory

import (
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// A Copy is what one node of a ring tells another of a key.
type Copy struct {
	Namespace string
	Item      store.Item     // of one that is gone: Key and Version alone
	Gone      bool           // the item was deleted, at Item.Version
	Request   request.Name   // of the write that made it, to be remembered with Answer; Slot leaves both out
	Answer    request.Answer // what the write returned
}

// Look returns what a write finds: the item, of version 0 where there is none, and the
// answer to its request, if that is remembered. An item past its time ends here.
func (s *Store) Look(namespace, key string, q request.Name) (item store.Item, answer request.Answer, done bool) {
	e, answer, done := s.look(namespace, key, q)
	if e == nil {
		return store.Item{}, answer, done
	}
	rec := e.rec.Load()
	if rec.expired(s.now()) {
		return s.lookAgain(namespace, key), answer, done
	}
	return rec.item(e.key), answer, done
}

func (s *Store) look(namespace, key string, q request.Name) (*entry, request.Answer, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	answer, done := s.requests.find(q, s.now())
	return s.table.find(name{namespace, key}), answer, done
}

func (s *Store) lookAgain(namespace, key string) store.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.enter(request.Put, namespace, key, "")
	if at.entry == nil {
		return store.Item{}
	}
	return at.entry.rec.Load().item(at.entry.key)
}

// Apply applies a copy whose version is larger than that of what is there, be it an item,
// also one past its time, or a tombstone, and returns whether it did. It asks for no
// quota. The times of the item are taken as they are; one that is past its time removes
// what is there, and leaves no tombstone. The request of the copy is remembered in any
// case, and its version known: see Version. A deletion leaves a tombstone as long as
// there is room for it. store.ErrFull means that nothing was changed.
func (s *Store) Apply(c Copy) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Advance(c.Item.Version) // no earlier, so that feeds find the change
	n := name{c.Namespace, c.Item.Key}
	at := place{namespace: n.namespace, key: n.key, entry: s.table.find(n), request: c.Request, now: s.now()}
	if _, known := s.requests.find(at.request, at.now); known {
		at.request = request.Name{}
	}
	if err := s.admit(at); err != nil {
		return false, err
	}
	applied, err := s.apply(at, c)
	if err != nil {
		return false, err
	}
	s.remember(at, c.Answer)
	return applied, nil
}

// apply does what Apply does, and makes room for the request.
func (s *Store) apply(at place, c Copy) (bool, error) {
	there := s.tombs.version(name{at.namespace, at.key})
	if at.entry != nil {
		there = max(there, at.entry.rec.Load().version)
	}
	rec := recordOf(c.Item)
	switch {
	case c.Item.Version <= there:
		return false, s.makeRoom(at.requestCost(), at.now, s.spaces[at.namespace], at.entry)
	case c.Gone:
		return true, s.applyEnd(at, store.Deleted, rec.version)
	case rec.expired(at.now):
		return true, s.applyEnd(at, store.Expired, rec.version)
	}
	return true, s.applyRecord(at, rec)
}

func (s *Store) applyRecord(at place, rec *record) error {
	e, added := at.entry, rec.size(at.key)
	if e != nil {
		s.expiries.set(e, 0) // it stays, also past its time
		added -= e.rec.Load().size(at.key)
	}
	grown, err := s.reserve(at, rec)
	if err != nil {
		if e != nil {
			s.expires(e, e.rec.Load().expires)
		}
		return err
	}
	s.charge(grown)
	if e == nil {
		s.exhume(name{at.namespace, at.key})
		e = s.add(at.namespace, at.key, rec)
	} else {
		e.rec.Store(rec)
	}
	e.space.bytes += added
	e.see(s.versions.last.Load())
	s.expires(e, rec.expires)
	s.log(e.space, change{kind: narrow(store.Put), slot: e.slot, version: rec.version, key: e.key, rec: rec})
	return nil
}

// applyEnd removes what is there at a version. Of a namespace that is not there, the
// history is without the change.
func (s *Store) applyEnd(at place, why store.Kind, version uint64) error {
	n, freed := name{at.namespace, at.key}, int64(0)
	if at.entry != nil {
		freed = costOfItem(at.key, at.entry.rec.Load())
		s.expiries.set(at.entry, 0)
	}
	sp := s.spaces[at.namespace]
	need := at.requestCost() - freed
	if why != store.Deleted || s.makeRoom(need+costOfTombstone(n), at.now, sp, at.entry) != nil {
		if err := s.makeRoom(need, at.now, sp, at.entry); err != nil {
			return err
		}
	}
	switch {
	case at.entry != nil:
		if why == store.Expired {
			s.expired.Add(1)
		}
		s.removeAt(at.entry, why, version)
		return nil
	case why == store.Expired:
		return nil
	case sp == nil:
		s.floor = max(s.floor, version)
	default:
		s.log(sp, change{kind: narrow(why), slot: s.slotOf(n), version: version, key: at.key})
	}
	s.bury(n, version, at.now)
	return nil
}

// requestCost is what remembering the request takes.
func (at place) requestCost() int64 {
	if at.request.Given {
		return requestCost
	}
	return 0
}

func recordOf(item store.Item) *record {
	return &record{
		value:    item.Value,
		metadata: item.Metadata,
		version:  item.Version,
		updated:  nanos(item.Updated),
		expires:  nanos(item.Expires),
	}
}

// nanos is a time as it is kept, 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
