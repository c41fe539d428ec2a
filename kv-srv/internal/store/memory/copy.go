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
	Old       bool           // it is no change to who watches: feeds are not told
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
	n := name{namespace, key}
	slot := s.requestSlot(n, q)
	s.mu.RLock()
	defer s.mu.RUnlock()
	answer, done := s.requests.find(q, slot, s.now())
	return s.table.find(n), answer, done
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
// case, and its version known: see Version. If it is remembered already, a copy that is
// applied was made by doing it again, and its answer takes the place of the other one. A
// deletion leaves a tombstone as long as there is room for it. store.ErrFull means that
// nothing was changed.
func (s *Store) Apply(c Copy) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Advance(c.Item.Version) // no earlier, so that feeds find the change
	at := s.placeOf(c)
	before, known := s.requests.find(c.Request, at.slot, at.now)
	if known {
		at.request = request.Name{}
	}
	if err := s.admit(at); err != nil {
		return false, err
	}
	applied, err := s.apply(at, c)
	if err != nil {
		return false, err
	}
	if known && applied && before != c.Answer {
		at.request = c.Request
		s.used -= s.requests.remove(at.request, at.slot)
	}
	s.remember(at, c.Answer)
	return applied, nil
}

// Room returns store.ErrFull if Apply would for a copy of a larger version than that of
// what is there, and nil if it would not. The version of the copy does not count: it need
// have none yet. What Apply removes to make room, Room has removed.
func (s *Store) Room(c Copy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.placeOf(c)
	if _, known := s.requests.find(c.Request, at.slot, at.now); known {
		at.request = request.Name{}
	}
	if err := s.admit(at); err != nil {
		return err
	}
	if rec := recordOf(c.Item); !c.Gone && !rec.expired(at.now) {
		_, err := s.reserveKept(at, rec)
		return err
	}
	need := at.requestCost()
	if at.entry != nil {
		need -= costOfItem(at.key, at.entry.rec.Load())
	}
	return s.makeRoom(need, at.now, s.spaces[at.namespace], at.entry)
}

// placeOf is where a copy goes. An item there stays, also past its time.
func (s *Store) placeOf(c Copy) place {
	n := name{c.Namespace, c.Item.Key}
	return place{
		namespace: n.namespace, key: n.key, entry: s.table.find(n), now: s.now(),
		request: c.Request, slot: s.requestSlot(n, c.Request), quiet: c.Old,
	}
}

// there is the version of the item or the tombstone in a place; 0: there is none.
func (s *Store) there(at place) uint64 {
	if at.entry != nil {
		return at.entry.rec.Load().version
	}
	return s.tombs.version(name{at.namespace, at.key})
}

// apply does what Apply does, and makes room for the request.
func (s *Store) apply(at place, c Copy) (bool, error) {
	if c.Item.Version <= s.there(at) {
		return false, s.makeRoom(at.requestCost(), at.now, s.spaces[at.namespace], at.entry)
	}
	return true, s.put(at, c)
}

// put makes a place what a copy says, whatever the version of what is there, and makes
// room for the request.
func (s *Store) put(at place, c Copy) error {
	rec := recordOf(c.Item)
	switch {
	case c.Gone:
		return s.applyEnd(at, store.Deleted, rec.version)
	case rec.expired(at.now):
		return s.applyEnd(at, store.Expired, rec.version)
	}
	return s.applyRecord(at, rec)
}

func (s *Store) applyRecord(at place, rec *record) error {
	grown, err := s.reserveKept(at, rec)
	if err != nil {
		return err
	}
	s.charge(grown)
	e, added := at.entry, rec.size(at.key)
	if e == nil {
		s.exhume(name{at.namespace, at.key})
		e = s.add(at.namespace, at.key, rec)
	} else {
		added -= e.rec.Load().size(at.key)
		e.rec.Store(rec)
	}
	e.space.bytes += added
	e.see(s.versions.last.Load())
	s.expires(e, rec.expires)
	if !at.quiet {
		s.log(e.space, change{kind: narrow(store.Put), slot: e.slot, version: rec.version, key: e.key, rec: rec})
	}
	return nil
}

// reserveKept does what reserve does. The item that is there stays, also past its time.
func (s *Store) reserveKept(at place, rec *record) (int64, error) {
	e := at.entry
	if e == nil {
		return s.reserve(at, rec)
	}
	s.expiries.set(e, 0)
	grown, err := s.reserve(at, rec)
	s.expires(e, e.rec.Load().expires)
	return grown, err
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
	s.used += at.requestCost() // the tombstone does not get the room of the request
	defer func() { s.used -= at.requestCost() }()
	switch {
	case at.entry != nil:
		if why == store.Expired {
			s.expired.Add(1)
		}
		if !at.quiet {
			s.removeAt(at.entry, why, version)
			return nil
		}
		s.detach(at.entry)
		if why == store.Expired {
			return nil
		}
	case why == store.Expired:
		return nil
	case sp == nil:
		s.floor = max(s.floor, version)
	case !at.quiet:
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
