package handler

import (
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
)

// The limits of kv.proto.
const (
	maxNamespace = 63
	maxKey       = 1 << 10
	maxValue     = 1 << 20
	maxMetadata  = 4 << 10 // of keys and values together
	maxPairs     = 64      // of metadata
	maxRequestID = 128
	maxBatch     = 1000
	maxPage      = 1000
	defaultPage  = 100

	minTTL = time.Millisecond
	maxTTL = 10 * 366 * 24 * time.Hour // ten years, however many of them are leap years
)

// checks reads the fields of one request, which are checked alike in all RPCs. What it
// returns counts only while err is nil; err is the first complaint. The zero value is
// ready.
type checks struct {
	err error

	list  string // that the fields are elements of: "writes"; "": of the request
	index int
}

// fail notes a complaint. The field may be empty for an element that has none.
func (c *checks) fail(field, format string, args ...any) {
	if c.err != nil {
		return
	}
	switch {
	case c.list == "":
	case field == "":
		field = fmt.Sprintf("%s[%d]", c.list, c.index)
	default:
		field = fmt.Sprintf("%s[%d].%s", c.list, c.index, field)
	}
	c.err = rpcerr.Invalid(field, format, args...)
}

// Namespace returns the namespace that a caller means by s, or what is wrong with it.
func Namespace(s string) (string, error) {
	var c checks
	namespace := c.namespace(s)
	return namespace, c.err
}

func (c *checks) namespace(s string) string {
	if s == "" {
		return resource.DefaultNamespace
	}
	const want = "want 1 to 63 of a-z, 0-9 and -"
	if len(s) > maxNamespace {
		c.fail("namespace", "%d bytes long, %s", len(s), want)
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			c.fail("namespace", "has %q, %s", r, want)
		}
	}
	return s
}

func (c *checks) key(field, s string) string {
	if len(s) == 0 || len(s) > maxKey {
		c.fail(field, "%d bytes long, want 1 to %d", len(s), maxKey)
	}
	c.text(field, s)
	return s
}

func (c *checks) prefix(s string) string {
	if len(s) > maxKey {
		c.fail("prefix", "%d bytes long, want at most %d", len(s), maxKey)
	}
	c.text("prefix", s)
	return s
}

// text checks what no door but protobuf's has checked.
func (c *checks) text(field, s string) {
	if !utf8.ValidString(s) {
		c.fail(field, "not UTF-8")
	}
}

func (c *checks) value(b []byte) []byte {
	if len(b) > maxValue {
		c.fail("value", "%d bytes long, want at most %d", len(b), maxValue)
	}
	return b
}

// ttl returns 0 for an item that does not end.
func (c *checks) ttl(d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	ttl := d.AsDuration() // the nearest there is
	if err := d.CheckValid(); err != nil || ttl < minTTL || ttl > maxTTL {
		c.fail("ttl", "%v, want 1ms to 10 years, or none", ttl)
	}
	return ttl
}

func (c *checks) metadata(m map[string]string) map[string]string {
	if len(m) > maxPairs {
		c.fail("metadata", "%d entries, want at most %d", len(m), maxPairs)
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		c.text("metadata", k)
		c.text("metadata", v)
	}
	if size > maxMetadata {
		c.fail("metadata", "%d bytes of keys and values, want at most %d", size, maxMetadata)
	}
	return m
}

func (c *checks) requestID(s string) string {
	if len(s) > maxRequestID {
		c.fail("request_id", "%d bytes long, want at most %d", len(s), maxRequestID)
	}
	return s
}

func (c *checks) batch(list string, n int) {
	if n < 1 || n > maxBatch {
		c.fail(list, "%d of them, want 1 to %d", n, maxBatch)
	}
}

func (c *checks) pageSize(n int32) int {
	if n < 0 || n > maxPage {
		c.fail("page_size", "%d, want 1 to %d, or 0 for %d", n, maxPage, defaultPage)
	}
	if n == 0 {
		return defaultPage
	}
	return int(n)
}

// write is what PutRequest and an element of BatchPutRequest have in common.
type write interface {
	GetKey() string
	GetValue() []byte
	GetTtl() *durationpb.Duration
	GetMetadata() map[string]string
	GetIfAbsent() bool
	GetIfVersion() uint64
}

func (c *checks) write(w write, requestID string) store.Write {
	if w.GetIfAbsent() && w.GetIfVersion() != 0 {
		c.fail("if_version", "%d beside if_absent, want one of them", w.GetIfVersion())
	}
	return store.Write{
		Key:       c.key("key", w.GetKey()),
		Value:     c.value(w.GetValue()),
		Metadata:  c.metadata(w.GetMetadata()),
		TTL:       c.ttl(w.GetTtl()),
		IfAbsent:  w.GetIfAbsent(),
		IfVersion: w.GetIfVersion(),
		RequestID: requestID,
	}
}
