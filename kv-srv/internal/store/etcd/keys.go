package etcd

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/micro/platform/kv-srv/internal/store/request"
)

// keys is where everything is, below a root that ends with a slash:
//
//	i/NAMESPACE/KEY          an item
//	i/NAMESPACE/KEY 0xff     the mark of an item that expired, for its watchers
//	m/NAMESPACE/KEY          the same, by which marks are counted
//	n/NAMESPACE              a namespace that items were ever written to
//	t/TIME/NAMESPACE/KEY     when to look whether an item is past its time
//	r/HASH                   the answer to a request with an ID
//
// A namespace has no slash, and a key is UTF-8, which has no byte 0xff. So etcd's order
// is that of the keys, and whoever watches a prefix sees the marks of its items.
type keys struct{ root string }

const mark = "\xff"

func (k keys) items(namespace string) string { return k.root + "i/" + namespace + "/" }

func (k keys) item(namespace, key string) string { return k.items(namespace) + key }

// marks is what all marks of a namespace begin with.
func (k keys) marks(namespace string) string { return k.root + "m/" + namespace + "/" }

// markOf is what the mark of an item is counted by.
func (k keys) markOf(item string) string {
	return k.root + "m/" + strings.TrimPrefix(item, k.root+"i/")
}

func (k keys) namespace(name string) string { return k.root + "n/" + name }

func (k keys) alarms() string { return k.root + "t/" }

func (k keys) alarm(at int64, namespace, key string) string {
	return fmt.Sprintf("%s%016x/%s/%s", k.alarms(), at, namespace, key)
}

// ringing reads what alarm made.
func (k keys) ringing(alarm string) (at int64, namespace, key string, err error) {
	parts := strings.SplitN(strings.TrimPrefix(alarm, k.alarms()), "/", 3)
	if len(parts) != 3 {
		return 0, "", "", fmt.Errorf("%q is none of our keys", alarm)
	}
	if _, err := fmt.Sscanf(parts[0], "%x", &at); err != nil {
		return 0, "", "", fmt.Errorf("%q is none of our keys: %w", alarm, err)
	}
	return at, parts[1], parts[2], nil
}

// request returns the key of a request's answer, "" for a request without ID.
func (k keys) request(op request.Operation, namespace, key, id string) string {
	name := request.Of(op, namespace, key, id)
	if !name.Given {
		return ""
	}
	return k.root + "r/" + hex.EncodeToString(name.Sum[:])
}
