package redis

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// head is the length of what the scripts write before the metadata, of which the item of
// a list of keys has the length alone.
const head = 3 * 8

// root returns the key of a namespace's state. What is between the braces says which slot
// of a cluster has it, and all that belongs to it.
func root(namespace string) string { return "kv:{" + namespace + "}" }

func itemKey(namespace, key string) string { return root(namespace) + ":i:" + key }

func logKey(namespace string) string { return root(namespace) + ":log" }

// encode makes what an item is stored as, after its head.
func encode(metadata map[string]string, value []byte) []byte {
	size := 0
	for k, v := range metadata {
		size += 2*binary.MaxVarintLen32 + len(k) + len(v)
	}
	b := make([]byte, 4, 4+size+len(value))
	for k, v := range metadata {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4)) //nolint:gosec // metadata has a few KiB
	return append(b, value...)
}

// decode reads an item, which keeps b.
func decode(key string, b []byte) (store.Item, error) {
	wrong := func() (store.Item, error) {
		return store.Item{}, fmt.Errorf("the record of %q is not one of ours", key)
	}
	if len(b) < head+4 {
		return wrong()
	}
	item := store.Item{
		Key:     key,
		Version: binary.BigEndian.Uint64(b),
		Updated: time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:]))).UTC(), //nolint:gosec // what the scripts have written
	}
	if ends := binary.BigEndian.Uint64(b[16:]); ends != 0 {
		item.Expires = time.UnixMilli(int64(ends)).UTC() //nolint:gosec // what the scripts have written
	}
	n := uint64(binary.BigEndian.Uint32(b[head:]))
	b = b[head+4:]
	if n > uint64(len(b)) {
		return wrong()
	}
	item.Value = b[n:]
	for b = b[:n]; len(b) > 0; {
		var pair [2]string
		for i := range pair {
			size, used := binary.Uvarint(b)
			if used <= 0 {
				return wrong()
			}
			if b = b[used:]; size > uint64(len(b)) {
				return wrong()
			}
			pair[i], b = string(b[:size]), b[size:]
		}
		if item.Metadata == nil {
			item.Metadata = make(map[string]string)
		}
		item.Metadata[pair[0]] = pair[1]
	}
	return item, nil
}
