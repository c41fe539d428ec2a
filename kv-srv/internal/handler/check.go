package handler

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/check"
	"github.com/micro/platform/kv-srv/internal/store"
)

// The limits of kv.proto.
const (
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

// checks reads the fields of one request, which are checked alike in all RPCs.
type checks struct{ check.Checks }

// Namespace returns the namespace that a caller means by s, or what is wrong with it.
func Namespace(s string) (string, error) {
	var c checks
	namespace := c.Namespace(s)
	return namespace, c.Err
}

func (c *checks) key(field, s string) string {
	if len(s) == 0 || len(s) > maxKey {
		c.Fail(field, "%d bytes long, want 1 to %d", len(s), maxKey)
	}
	c.Text(field, s)
	return s
}

func (c *checks) prefix(s string) string { return c.Length("prefix", s, maxKey) }

func (c *checks) value(b []byte) []byte {
	if len(b) > maxValue {
		c.Fail("value", "%d bytes long, want at most %d", len(b), maxValue)
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
		c.Fail("ttl", "%v, want 1ms to 10 years, or none", ttl)
	}
	return ttl
}

func (c *checks) metadata(m map[string]string) map[string]string {
	if len(m) > maxPairs {
		c.Fail("metadata", "%d entries, want at most %d", len(m), maxPairs)
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		c.Text("metadata", k)
		c.Text("metadata", v)
	}
	if size > maxMetadata {
		c.Fail("metadata", "%d bytes of keys and values, want at most %d", size, maxMetadata)
	}
	return m
}

func (c *checks) requestID(s string) string {
	if len(s) > maxRequestID {
		c.Fail("request_id", "%d bytes long, want at most %d", len(s), maxRequestID)
	}
	return s
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
		c.Fail("if_version", "%d beside if_absent, want one of them", w.GetIfVersion())
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
