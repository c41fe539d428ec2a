// Package change says what a write makes of an item, for backends that read it, change it
// and write it if nobody else has.
package change

import (
	"strconv"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Change is a write to one item.
type Change struct {
	Op             request.Operation
	Namespace, Key string
	ID             string // of the request; "": not remembered
	IfAbsent       bool
	IfVersion      uint64 // 0: no condition

	// To makes of an item that is not past its time, or of one of version 0 where there is
	// none, what comes after it, nil for nothing. It may be called several times.
	To func(item store.Item, now time.Time) (after *store.Item, sum int64, err error)
}

// Late tells whether the condition of a write does not hold where an item has a version, 0
// for none, or has had it: versions grow.
func (c Change) Late(version uint64) bool {
	return c.IfAbsent && version != 0 || c.IfVersion != 0 && c.IfVersion < version
}

// Name is what its answer is remembered under.
func (c Change) Name() request.Name { return request.Of(c.Op, c.Namespace, c.Key, c.ID) }

// Put is what store.Store.Put does.
func Put(namespace string, w store.Write) Change {
	c := Change{Op: request.Put, Namespace: namespace, Key: w.Key, ID: w.RequestID, IfAbsent: w.IfAbsent, IfVersion: w.IfVersion}
	c.To = func(item store.Item, now time.Time) (*store.Item, int64, error) {
		if w.IfAbsent && item.Version != 0 {
			return nil, 0, store.ErrExists
		}
		if w.IfVersion != 0 && w.IfVersion != item.Version {
			return nil, 0, store.ErrVersion
		}
		return &store.Item{Key: w.Key, Value: w.Value, Metadata: w.Metadata, Updated: now, Expires: store.Ends(now, w.TTL)}, 0, nil
	}
	return c
}

// Delete is what store.Store.Delete does.
func Delete(namespace string, r store.Removal) Change {
	c := Change{Op: request.Delete, Namespace: namespace, Key: r.Key, ID: r.RequestID, IfVersion: r.IfVersion}
	c.To = func(item store.Item, _ time.Time) (*store.Item, int64, error) {
		if item.Version == 0 {
			return nil, 0, store.ErrNotFound
		}
		if r.IfVersion != 0 && r.IfVersion != item.Version {
			return nil, 0, store.ErrVersion
		}
		return nil, 0, nil
	}
	return c
}

// Increment is what store.Store.Increment does.
func Increment(namespace string, a store.Addition) Change {
	c := Change{Op: request.Increment, Namespace: namespace, Key: a.Key, ID: a.RequestID}
	c.To = func(item store.Item, now time.Time) (*store.Item, int64, error) {
		if item.Version == 0 {
			item.Value, item.Expires = []byte("0"), store.Ends(now, a.TTL)
		}
		sum, err := store.Sum(item.Value, a.Delta)
		item.Value, item.Updated = strconv.AppendInt(nil, sum, 10), now
		return &item, sum, err
	}
	return c
}

// Touch is what store.Store.Touch does.
func Touch(namespace, key string, ttl time.Duration) Change {
	c := Change{Op: request.Touch, Namespace: namespace, Key: key}
	c.To = func(item store.Item, now time.Time) (*store.Item, int64, error) {
		if item.Version == 0 {
			return nil, 0, store.ErrNotFound
		}
		item.Updated, item.Expires = now, store.Ends(now, ttl)
		return &item, 0, nil
	}
	return c
}
