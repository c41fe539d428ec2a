package memory

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// place is where a write goes and when.
type place struct {
	namespace, key string
	entry          *entry // nil: there is no item
	request        request.Name
	slot           int32 // of the request
	now            int64
	quiet          bool // the history is without the change
}

// enter looks up where a write goes. An item past its time ends here. It is followed by
// a change or nothing, under the same lock.
func (s *Store) enter(op request.Operation, namespace, key, requestID string) place {
	at := place{namespace: namespace, key: key, now: s.now()}
	at.request = request.Of(op, namespace, key, requestID)
	at.slot = s.requestSlot(name{namespace, key}, at.request)
	at.entry = s.table.find(name{namespace, key})
	if at.entry != nil && at.entry.rec.Load().expired(at.now) {
		s.expire(at.entry)
		at.entry = nil
	}
	return at
}

// set stores a record and remembers the answer to its request, or does neither. It gives
// the record its version, and its entry to a new one.
func (s *Store) set(at place, rec *record, sum int64) error {
	added, err := s.allow(at, rec)
	if err != nil {
		return err
	}
	if err := s.admit(at); err != nil {
		return err
	}
	grown, err := s.reserve(at, rec)
	if err != nil {
		return err
	}
	s.charge(grown)
	rec.version = s.allocate()
	defer s.settleVersion(rec.version)
	e := at.entry
	if e == nil {
		s.exhume(name{at.namespace, at.key})
		e = s.add(at.namespace, at.key, rec)
	} else {
		e.rec.Store(rec)
	}
	e.space.bytes += added
	e.see(rec.version)
	s.expires(e, rec.expires)
	s.log(e.space, change{kind: narrow(store.Put), slot: e.slot, version: rec.version, key: e.key, rec: rec})
	s.remember(at, request.Answer{Sum: sum, Version: rec.version})
	return nil
}

// reserve makes room for a record and what comes with it, and returns by how many bytes
// the items grow.
func (s *Store) reserve(at place, rec *record) (int64, error) {
	grown, extra := costOfItem(at.key, rec), int64(0)
	var sp *space
	if at.entry != nil {
		sp = at.entry.space
		grown -= costOfItem(at.key, at.entry.rec.Load())
	} else if sp = s.spaces[at.namespace]; sp == nil {
		extra += costOfSpace(at.namespace)
	}
	if at.request.Given {
		extra += requestCost
	}
	return grown, s.makeRoom(grown+extra, at.now, sp, at.entry)
}

var _ store.BatchPutter = (*Store)(nil)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(namespace, w)
}

// PutAll implements store.BatchPutter.
func (s *Store) PutAll(ctx context.Context, namespace string, writes []store.Write) ([]store.Written, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := make([]store.Written, len(writes))
	s.warm(namespace, writes)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range writes {
		all[i].Version, all[i].Err = s.write(namespace, w)
	}
	return all, nil
}

// warm looks at what writes are about to change: they wait for its memory together, and do
// not hold the lock meanwhile.
func (s *Store) warm(namespace string, writes []store.Write) {
	var keys [together]string
	var entries [together]*entry
	for part := range slices.Chunk(writes, together) {
		for i := range part {
			keys[i] = part[i].Key
		}
		n := len(part)
		s.table.findAll(namespace, keys[:n], entries[:n])
		for _, e := range entries[:n] {
			s.read(e)
		}
	}
}

func (s *Store) write(namespace string, w store.Write) (uint64, error) {
	at := s.enter(request.Put, namespace, w.Key, w.RequestID)
	if a, ok := s.requests.find(at.request, at.slot, at.now); ok {
		return a.Version, nil
	}
	if w.IfAbsent && at.entry != nil {
		return 0, store.ErrExists
	}
	if w.IfVersion != 0 && (at.entry == nil || at.entry.rec.Load().version != w.IfVersion) {
		return 0, store.ErrVersion
	}
	rec := &record{value: w.Value, metadata: w.Metadata, updated: at.now, expires: expiry(at.now, w.TTL)}
	if err := s.set(at, rec, 0); err != nil {
		return 0, err
	}
	return rec.version, nil
}

// Delete implements store.Store. With a request ID it may return store.ErrFull.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.enter(request.Delete, namespace, r.Key, r.RequestID)
	if _, ok := s.requests.find(at.request, at.slot, at.now); ok {
		return nil
	}
	if at.entry == nil {
		return store.ErrNotFound
	}
	if r.IfVersion != 0 && at.entry.rec.Load().version != r.IfVersion {
		return store.ErrVersion
	}
	if err := s.admit(at); err != nil {
		return err
	}
	s.remove(at.entry, store.Deleted) // frees more than the request ID takes
	s.remember(at, request.Answer{})
	return nil
}

// Increment implements store.Store. It keeps the metadata of an item that is there.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.enter(request.Increment, namespace, a.Key, a.RequestID)
	if a, ok := s.requests.find(at.request, at.slot, at.now); ok {
		return a.Sum, a.Version, nil
	}
	rec := &record{updated: at.now, expires: expiry(at.now, a.TTL)}
	sum := a.Delta
	if at.entry != nil {
		old := at.entry.rec.Load()
		rec.metadata, rec.expires = old.metadata, old.expires
		var err error
		if sum, err = store.Sum(old.value, a.Delta); err != nil {
			return 0, 0, err
		}
	}
	rec.value = strconv.AppendInt(nil, sum, 10)
	if err := s.set(at, rec, sum); err != nil {
		return 0, 0, err
	}
	return sum, rec.version, nil
}

// Touch implements store.Store. It gives the item a new version, and watchers the item.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.enter(request.Touch, namespace, key, "")
	if at.entry == nil {
		return 0, store.ErrNotFound
	}
	rec := *at.entry.rec.Load()
	rec.expires = expiry(at.now, ttl)
	if err := s.set(at, &rec, 0); err != nil {
		return 0, err
	}
	return rec.version, nil
}
