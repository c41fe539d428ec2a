package etcd

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/record"
)

// never is the end of an item that does not end.
const never = math.MaxUint64

// endOf returns when an item ends, as its record begins: in nanoseconds since 1970, so
// that etcd can compare it.
func endOf(t time.Time) []byte {
	end := uint64(never)
	if !t.IsZero() {
		end = uint64(max(t.UnixNano(), 0))
	}
	return binary.BigEndian.AppendUint64(nil, end)
}

// encode makes the record of an item: its end, and the rest.
func encode(item store.Item) ([]byte, error) {
	end := endOf(item.Expires)
	item.Key, item.Expires = "", time.Time{}
	return record.Append(end, item)
}

func decode(key string, kv *mvccpb.KeyValue) (store.Item, error) {
	if len(kv.GetValue()) < 8 {
		return store.Item{}, fmt.Errorf("the record of %q is not one of ours", key)
	}
	item, err := record.Read(kv.GetValue()[8:])
	if err != nil {
		return store.Item{}, fmt.Errorf("%q: %w", key, err)
	}
	item.Key, item.Version = key, version(kv.GetModRevision())
	if end := binary.BigEndian.Uint64(kv.GetValue()); end != never {
		item.Expires = time.Unix(0, int64(end)).UTC() //nolint:gosec // what endOf has written
	}
	return item, nil
}

func version(revision int64) uint64 { return uint64(max(revision, 0)) }

func revisionOf(version uint64) int64 { return int64(min(version, math.MaxInt64)) }

// living asks whether an item is there that is not past its time, and is false where
// there is none. A record is longer than its end alone, which makes it larger.
func living(key string, now time.Time) clientv3.Cmp {
	return clientv3.Compare(clientv3.Value(key), ">", string(endOf(now.Add(1))))
}

func past(key string, now time.Time) clientv3.Cmp {
	return clientv3.Compare(clientv3.Value(key), "<", string(endOf(now.Add(1))))
}

// unchanged asks whether an item has a revision, 0 for no item.
func unchanged(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", revision)
}
