package memcached

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/record"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// memory is how long what was removed, and the answer to a request with an ID, is kept.
const memory = store.RequestMemory + time.Minute

// maxKey is what memcached takes.
const maxKey = 250

// place is where a key is in memcached:
//
//	kv/i/NAMESPACE/KEY   an item
//	kv/h/HASH            an item whose key is too long, or has bytes that mean something
//	kv/r/HASH            the answer to a request with an ID
//
// What is under a hash has whole, the namespace and the key, in its record.
type place struct{ at, whole string }

func placeOf(namespace, key string) place {
	whole := namespace + "/" + key
	if at := "kv/i/" + whole; len(at) <= maxKey && plain(key) {
		return place{at: at}
	}
	sum := sha256.Sum256([]byte(whole))
	return place{at: "kv/h/" + hex.EncodeToString(sum[:]), whole: whole}
}

// plain tells whether a key has no byte that ends a word of memcached's protocol.
func plain(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] == 0x7f {
			return false
		}
	}
	return true
}

func answerAt(name [16]byte) string { return "kv/r/" + hex.EncodeToString(name[:]) }

// header is how a record begins. After it comes the item; of one that was removed, its
// key and when.
type header struct {
	Removed bool
	Version uint64

	// The request that wrote the record, and its sum; all zero for one without ID.
	Request [16]byte
	Sum     int64
}

var headerSize = binary.Size(header{}) //nolint:gochecknoglobals // a constant, but for the compiler

// entry is what memcached has under a key.
type entry struct {
	header
	item  store.Item
	cas   uint64
	there bool
}

// living is the item as callers see it, of version 0 where there is none.
func (e *entry) living(key string, now time.Time) store.Item {
	if !e.there || e.Removed || e.item.Expired(now) {
		return store.Item{Key: key}
	}
	item := e.item
	item.Key, item.Version = key, e.Version
	return item
}

// remembers tells whether the record holds an answer that is still worth something.
func (e *entry) remembers(now time.Time) bool {
	return e.Request != [16]byte{} && now.Before(e.item.Updated.Add(memory))
}

func (e *entry) answer() request.Answer {
	return request.Answer{Sum: e.Sum, Version: e.Version}
}

// encode makes the record of an entry, and says when memcached may drop it.
func (e *entry) encode(at place) (value []byte, end time.Time, err error) {
	if value, err = binary.Append(nil, binary.BigEndian, e.header); err != nil {
		return nil, end, err
	}
	item := e.item
	item.Key = at.whole
	if value, err = record.Append(value, item); err != nil {
		return nil, end, err
	}
	if e.Removed {
		return value, item.Updated.Add(memory), nil
	}
	if end = item.Expires; !end.IsZero() && e.remembers(item.Updated) && end.Before(item.Updated.Add(memory)) {
		end = item.Updated.Add(memory)
	}
	return value, end, nil
}

func decode(at place, value []byte) (e entry, err error) {
	if _, err := binary.Decode(value, binary.BigEndian, &e.header); err != nil {
		return e, fmt.Errorf("%q: a record is not one of ours: %w", at.at, err)
	}
	if e.item, err = record.Read(value[headerSize:]); err != nil {
		return e, fmt.Errorf("%q: %w", at.at, err)
	}
	if e.item.Key != at.whole {
		return e, fmt.Errorf("%q: another key has the same hash", at.at)
	}
	e.there = true
	return e, nil
}

func encodeAnswer(a request.Answer) []byte {
	b := binary.BigEndian.AppendUint64(nil, a.Version)
	return binary.AppendVarint(b, a.Sum)
}

func decodeAnswer(b []byte) (a request.Answer, err error) {
	r := bytes.NewReader(b)
	if err := binary.Read(r, binary.BigEndian, &a.Version); err != nil {
		return a, err
	}
	if a.Sum, err = binary.ReadVarint(r); err != nil || r.Len() > 0 {
		return a, errors.New("an answer is not one of ours")
	}
	return a, nil
}

// memcached counts in seconds that it begins itself, and takes more than 30 days for a
// time of day. late is what an item gets beyond its end, which its record has exactly.
const (
	late = 2 * time.Second
	most = 30 * 24 * time.Hour
)

// expiration is when memcached may drop what ends at a time, in its own terms.
func expiration(now, end time.Time) int32 {
	if end.IsZero() {
		return 0
	}
	left := max(end.Sub(now), 0) + late
	if left < most {
		return int32((left + time.Second - 1) / time.Second)
	}
	at := end.Add(late).Unix()
	if at > math.MaxInt32 { // from 2038 on it never does; the record still ends
		return 0
	}
	return int32(at) //nolint:gosec // just compared
}
