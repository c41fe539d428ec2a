// Package store defines what the key-value service asks of a backend.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What a backend answers, wrapped or bare. An error that is none of these nor an
// *UnsupportedError, *LimitError or *QuotaError means that the backend could not tell.
var (
	ErrNotFound  = errors.New("no such key")
	ErrExists    = errors.New("the key exists")
	ErrVersion   = errors.New("the version moved")
	ErrNotNumber = errors.New("the value is no decimal int64")
	ErrOverflow  = errors.New("the sum is outside of int64")
	ErrFull      = errors.New("the store is full")
	ErrCompacted = errors.New("the changes since that version are gone")
	ErrLagging   = errors.New("the watcher reads too slowly")
)

// UnsupportedError is the answer to what a backend cannot do.
type UnsupportedError struct {
	Backend string   // "memcached"
	Op      string   // "list"
	Have    []string // the backends that can
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s cannot %s (%s can)", e.Backend, e.Op, strings.Join(e.Have, ", "))
}

// LimitError is the answer to what a backend takes less of than the contract allows.
type LimitError struct {
	Backend string // "etcd"
	Field   string // "value"
	Limit   string // "a request of 1.5 MiB"
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s takes no more than %s", e.Backend, e.Limit)
}

// Item is a value and the key it is stored under. Nobody changes the bytes or the
// map of an item once a store has it or has returned it.
type Item struct {
	Key      string
	Value    []byte
	Version  uint64 // never 0 in a stored item
	Updated  time.Time
	Expires  time.Time // zero: never
	Metadata map[string]string
}

// Write is one item to store. The store owns Value and Metadata from then on.
type Write struct {
	Key       string
	Value     []byte
	Metadata  map[string]string
	TTL       time.Duration // 0: the item does not end
	IfAbsent  bool
	IfVersion uint64 // 0: no condition
	RequestID string // "": not remembered
}

// Removal is one item to delete.
type Removal struct {
	Key       string
	IfVersion uint64 // 0: no condition
	RequestID string // "": not remembered
}

// Addition is a number to add to another.
type Addition struct {
	Key       string
	Delta     int64
	TTL       time.Duration // of an item that the addition makes; 0: it does not end
	RequestID string        // "": not remembered
}

// Query asks for a page of items.
type Query struct {
	Prefix   string
	After    string // the last key of the page before; "" for the first page
	Limit    int    // items at most, at least 1
	MaxBytes int    // of keys, values and metadata: a page ends before it, but holds one item
	KeysOnly bool   // leaves the values out
}

// Page is a part of a list, ordered by the bytes of the keys.
type Page struct {
	Items   []Item
	More    bool   // there are items after the last one
	Version uint64 // watching from it misses no change to the page; 0 only where nothing can be watched
}

// Namespace is what a store tells of a namespace.
type Namespace struct {
	Name    string
	Backend string // that keeps it, as settings call it; a driver leaves it empty
	Keys    int64  // items, with those that are expired and not removed yet; -1: it cannot tell
	Bytes   int64  // of keys, values and metadata: see Item.Size; -1: it cannot tell
}

// NamespaceQuery asks for a page of namespaces.
type NamespaceQuery struct {
	From  string // the first name that may be on the page
	To    string // the first one after From that may not; "": there is none
	Limit int    // namespaces at most, at least 1
}

// NamespacePage is a part of a list of namespaces, ordered by the bytes of their names.
type NamespacePage struct {
	Namespaces []Namespace
	More       bool   // there are namespaces after the last one
	Unlisted   string // the backend that may have others, and cannot list them; "": none
}

// Kind is what happened to an item.
type Kind int

// The kinds of events. An event of kind Progress has no item: all changes up to its
// version were emitted.
const (
	Progress Kind = iota + 1
	Put
	Deleted
	Expired
	Evicted
)

// Event is one change. Of an item that is gone it has the key alone.
type Event struct {
	Kind    Kind
	Version uint64 // where to go on from; grows from event to event, but for Progress
	Item    Item
}

// RequestMemory is how long a store remembers a request ID at least: a write with an
// ID that succeeded for the same namespace and key is not done again, and returns
// what it returned then.
const RequestMemory = 10 * time.Minute

// A Store keeps items in namespaces. Its methods may be called at once, with valid
// arguments: the handler checks them. A method whose ctx is done returns the error of
// ctx, wrapped or bare. What needs room, and be it for a request ID or a watcher, may
// return ErrFull. Each driver passes the tests of storetest.
type Store interface { //nolint:interfacebloat // it is the whole of what a backend must do
	// Get returns the item under key, or ErrNotFound.
	Get(ctx context.Context, namespace, key string) (Item, error)

	// Put stores an item and returns its version, or ErrExists (IfAbsent), ErrVersion
	// (IfVersion, also where there is no item), ErrFull.
	Put(ctx context.Context, namespace string, w Write) (uint64, error)

	// Delete removes an item, or returns ErrNotFound (also with IfVersion) or ErrVersion.
	Delete(ctx context.Context, namespace string, r Removal) error

	// Increment adds to the number under a key, 0 where there is none, keeps the expiry
	// and metadata of an item that is there, and returns the sum and the new version, or
	// ErrNotNumber, ErrOverflow, ErrFull. A number is stored as decimal text.
	Increment(ctx context.Context, namespace string, a Addition) (int64, uint64, error)

	// Touch gives an item a new time to live, 0 for none, and returns its version,
	// or ErrNotFound.
	Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error)

	// List returns a page of items.
	List(ctx context.Context, namespace string, q Query) (Page, error)

	// DeletePrefix removes the items under a prefix and returns how many.
	DeletePrefix(ctx context.Context, namespace, prefix string) (int, error)

	// Namespaces returns a page of the namespaces that hold items, each as it was at a
	// moment after the page was asked for. An item that is past its time counts until it
	// is removed, which is soon.
	Namespaces(ctx context.Context, q NamespaceQuery) (NamespacePage, error)

	// Watch emits the changes under prefix after the version from (0: from now on),
	// in the order of their versions, beginning with one Progress as soon as no later
	// change can be missed. It returns when ctx is done (its error), when emit fails
	// (that error), or with ErrCompacted or ErrLagging.
	Watch(ctx context.Context, namespace, prefix string, from uint64, emit func(Event) error) error

	// Ready returns why the backend cannot serve now, or nil.
	Ready(ctx context.Context) error

	// Close releases what the store holds and ends its watches. No method may be
	// called after it.
	Close() error
}
