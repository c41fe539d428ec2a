package disk

import (
	"encoding/binary"
	"strings"
)

// The keys of the engine begin with what they are for. A namespace has no zero byte, so
// one ends it. Numbers are big-endian, so that keys have their order.
//
//	i <namespace> 0 <key>            an item
//	h <namespace> 0 <version>        a change
//	f <namespace>                    the floor of a namespace's history
//	e <time> <namespace> 0 <key>     an item that ends
//	r <generation> <request>         an answer
//	n <namespace>                    what it holds: keys, bytes
//	m <name>                         limit, floor: a number
const (
	tagItem    = 'i'
	tagChange  = 'h'
	tagFloor   = 'f'
	tagExpiry  = 'e'
	tagRequest = 'r'
	tagTally   = 'n'
	tagMeta    = 'm'
)

func appendUnder(b []byte, tag byte, namespace string) []byte {
	b = append(b, tag)
	b = append(b, namespace...)
	return append(b, 0)
}

func under(tag byte, namespace string) []byte {
	return appendUnder(make([]byte, 0, 1+len(namespace)+1+64), tag, namespace)
}

func appendItemKey(b []byte, namespace, key string) []byte {
	return append(appendUnder(b, tagItem, namespace), key...)
}

func itemKey(namespace, key string) []byte { return append(under(tagItem, namespace), key...) }

// itemOf reads a key of itemKey.
func itemOf(b []byte) (namespace, key string, ok bool) { return strings.Cut(string(b[1:]), "\x00") }

func appendChangeKey(b []byte, namespace string, version uint64) []byte {
	return binary.BigEndian.AppendUint64(appendUnder(b, tagChange, namespace), version)
}

func changeKey(namespace string, version uint64) []byte {
	return binary.BigEndian.AppendUint64(under(tagChange, namespace), version)
}

func tallyKey(namespace string) []byte { return append([]byte{tagTally}, namespace...) }

func floorKey(namespace string) []byte { return append([]byte{tagFloor}, namespace...) }

func expiryKey(at int64, namespace, key string) []byte {
	b := append(expiryBound(at), namespace...)
	b = append(b, 0)
	return append(b, key...)
}

// expiryBound is before the keys of what ends at a time or later.
func expiryBound(at int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagExpiry}, uint64(max(at, 0)))
}

// expiryOf reads a key of expiryKey.
func expiryOf(b []byte) (at int64, namespace, key string, ok bool) {
	if len(b) < 9 {
		return 0, "", "", false
	}
	namespace, key, ok = strings.Cut(string(b[9:]), "\x00")
	return int64(binary.BigEndian.Uint64(b[1:9])), namespace, key, ok //nolint:gosec // was an int64
}

// requestBound is before the answers of a generation.
func requestBound(generation int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagRequest}, uint64(max(generation, 0)))
}

func requestKey(generation int64, sum [16]byte) []byte {
	return append(requestBound(generation), sum[:]...)
}

func metaKey(name string) []byte { return append([]byte{tagMeta}, name...) }

// after is the first key that does not begin with prefix; nil: there is none.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			b := append([]byte(nil), prefix[:i+1]...)
			b[i]++
			return b
		}
	}
	return nil
}
