package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// errRecord means that a file was written by something else, or is damaged beyond what
// its checksums tell.
var errRecord = errors.New("a stored record cannot be read")

// record is an item as it is stored, without its key.
type record struct {
	value    []byte
	metadata map[string]string
	version  uint64
	updated  int64
	expires  int64 // 0: never
}

// size is what a record under a key counts towards a quota: see store.Item.Size.
func (r *record) size(key string) int64 {
	return int64(store.Item{Key: key, Value: r.value, Metadata: r.metadata}.Size())
}

func (r *record) expired(now int64) bool { return r.expires != 0 && r.expires <= now }

// expiry is when an item ends that is written now; never: 0.
func expiry(now int64, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return now + int64(ttl)
}

func (r *record) item(key string) store.Item {
	item := store.Item{
		Key: key, Value: r.value, Version: r.version, Updated: time.Unix(0, r.updated), Metadata: r.metadata,
	}
	if r.expires != 0 {
		item.Expires = time.Unix(0, r.expires)
	}
	return item
}

// append writes version, updated, expires, the metadata and the value.
func (r *record) append(b []byte) []byte {
	b = slices.Grow(b, len(r.value)+32)
	b = binary.AppendUvarint(b, r.version)
	b = binary.AppendVarint(b, r.updated)
	b = binary.AppendVarint(b, r.expires)
	b = binary.AppendUvarint(b, uint64(len(r.metadata)))
	for _, k := range slices.Sorted(maps.Keys(r.metadata)) {
		b = appendText(b, k)
		b = appendText(b, r.metadata[k])
	}
	return append(b, r.value...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes values off the front of bytes. A failed one returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() { r.b, r.err = nil, errRecord }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// record reads what append wrote, and copies it.
func (r *reader) record(keysOnly bool) *record {
	rec := &record{version: r.uint(), updated: r.int(), expires: r.int()}
	if n := r.uint(); n > 0 && r.err == nil {
		rec.metadata = make(map[string]string)
		for ; n > 0 && r.err == nil; n-- {
			k := r.text()
			rec.metadata[k] = r.text()
		}
	}
	if !keysOnly {
		rec.value = bytes.Clone(r.b)
	}
	return rec
}

// change is what became of a key; rec is nil where it is gone. That of a put is stored
// without rec while the item has that version.
type change struct {
	kind store.Kind
	key  string
	rec  *record
}

func (c change) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(max(c.kind, 0)))
	b = appendText(b, c.key)
	if c.rec != nil {
		b = c.rec.append(b)
	}
	return b
}

// change reads what change.append wrote, unless the key is not wanted.
func (r *reader) change(wants func(string) bool) (c change, wanted bool) {
	c = change{kind: store.Kind(r.uint()), key: r.text()} //nolint:gosec // was one
	if r.err != nil || !wants(c.key) {
		return c, false
	}
	if c.kind == store.Put && len(r.b) > 0 {
		c.rec = r.record(false)
	}
	return c, r.err == nil
}

func (c change) event(version uint64) store.Event {
	e := store.Event{Kind: c.kind, Version: version, Item: store.Item{Key: c.key}}
	if c.rec != nil {
		e.Item = c.rec.item(c.key)
	}
	return e
}

func appendAnswer(b []byte, a request.Answer) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, a.Sum), a.Version)
}

func (r *reader) answer() request.Answer {
	return request.Answer{Sum: r.int(), Version: r.uint()}
}
