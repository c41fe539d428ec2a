package kvclient

import (
	"time"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// The options of each call. What an option is good for can be seen from its methods:
// one that makes no sense for a call does not compile.
type (
	// PutOption is TTL, Metadata, IfAbsent, IfVersion or RequestID.
	PutOption interface{ put(*kvpb.PutRequest) }

	// DeleteOption is IfVersion or RequestID.
	DeleteOption interface{ del(*kvpb.DeleteRequest) }

	// IncrementOption is TTL or RequestID.
	IncrementOption interface{ increment(*kvpb.IncrementRequest) }

	// ListOption is KeysOnly or SaveVersion.
	ListOption interface{ list(*listing) }

	// NamespacesOption is SaveUnlisted.
	NamespacesOption interface{ namespaces(*namespaceListing) }

	// HotKeysOption is AllNamespaces or MaxKeys.
	HotKeysOption interface {
		hotKeys(*kvpb.ListHotKeysRequest)
	}

	// WatchOption is FromVersion or WithProgress.
	WatchOption interface{ watch(*watching) }
)

// TTL is how long an item lives that is written, from 1ms to 10 years; 0: for ever. An
// Increment of an item that is there leaves it.
type TTL time.Duration

func (t TTL) put(r *kvpb.PutRequest)             { r.Ttl = duration(time.Duration(t)) }
func (t TTL) increment(r *kvpb.IncrementRequest) { r.Ttl = duration(time.Duration(t)) }

// Metadata says something about a value, in 64 words that take 4 KiB at most.
type Metadata map[string]string

func (m Metadata) put(r *kvpb.PutRequest) { r.Metadata = m }

// IfVersion does a write only if the item has this version; 0: in any case.
type IfVersion uint64

func (v IfVersion) put(r *kvpb.PutRequest)    { r.IfVersion = uint64(v) }
func (v IfVersion) del(r *kvpb.DeleteRequest) { r.IfVersion = uint64(v) }

// IfAbsent does a write only if there is no item under the key.
func IfAbsent() PutOption { return ifAbsent{} }

type ifAbsent struct{}

func (ifAbsent) put(r *kvpb.PutRequest) { r.IfAbsent = true }

// RequestID names a write, in 128 bytes at most. However often it is sent for the same
// key within ten minutes, it is done once and has the first answer.
type RequestID string

func (id RequestID) put(r *kvpb.PutRequest)             { r.RequestId = string(id) }
func (id RequestID) del(r *kvpb.DeleteRequest)          { r.RequestId = string(id) }
func (id RequestID) increment(r *kvpb.IncrementRequest) { r.RequestId = string(id) }

// KeysOnly leaves the values out.
func KeysOnly() ListOption { return keysOnly{} }

type keysOnly struct{}

func (keysOnly) list(l *listing) { l.keysOnly = true }

// SaveVersion sets *v, before the first item, to the version from which a Watch misses
// no change to what is listed.
func SaveVersion(v *uint64) ListOption { return saveVersion{v} }

type saveVersion struct{ to *uint64 }

func (s saveVersion) list(l *listing) { l.version = s.to }

// listing is what options say about List.
type listing struct {
	keysOnly bool
	version  *uint64
}

// SaveUnlisted sets *backend, before the first namespace, to the backend of all that the
// settings of the service do not name, if it cannot list them. "": all are listed.
func SaveUnlisted(backend *string) NamespacesOption { return saveUnlisted{backend} }

type saveUnlisted struct{ to *string }

func (s saveUnlisted) namespaces(l *namespaceListing) { l.unlisted = s.to }

// namespaceListing is what options say about Namespaces.
type namespaceListing struct{ unlisted *string }

// AllNamespaces asks for the keys of all namespaces, and not of one.
func AllNamespaces() HotKeysOption { return allNamespaces{} }

type allNamespaces struct{}

func (allNamespaces) hotKeys(r *kvpb.ListHotKeysRequest) { r.Namespace, r.AllNamespaces = "", true }

// MaxKeys bounds how many keys are returned, up to 100; 0: 20.
type MaxKeys int32

func (m MaxKeys) hotKeys(r *kvpb.ListHotKeysRequest) { r.Limit = int32(m) }

// FromVersion begins with the changes after a version: one that SaveVersion set, or that
// of the last Event. 0: with what changes from now on.
type FromVersion uint64

func (v FromVersion) watch(w *watching) { w.from = uint64(v) }

// WithProgress yields events of type Progress too. The first one says that no later
// change is missed, the others come when nothing changes, every 30 seconds.
func WithProgress() WatchOption { return withProgress{} }

type withProgress struct{}

func (withProgress) watch(w *watching) { w.progress = true }

// watching is what options say about Watch.
type watching struct {
	from     uint64
	progress bool
}
