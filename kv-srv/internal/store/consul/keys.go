package consul

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/micro/platform/kv-srv/internal/store/request"
)

// keys is where everything is, below a root that ends with a slash:
//
//	i/NAMESPACE/KEY.         an item; the key in hexadecimal, which keeps the order
//	h/NAMESPACE.             the number of the last change in a namespace, and what that holds
//	l/NAMESPACE/NUMBER       a change, for those who watch
//	t/TIME/i/NAMESPACE/KEY   when to look whether an item is past its time
//	t/TIME/r/HASH            when to forget a request
//	r/HASH                   the answer to a request with an ID
//
// The dot comes before all digits: so the order is that of the keys, and no key is the
// prefix of another. TIME has slashes in it, by which it can be read step by step.
type keys struct{ root string }

func (k keys) nothing() string { return k.root + "nothing" }

func (k keys) items(namespace, prefix string) string {
	return k.root + "i/" + namespace + "/" + hex.EncodeToString([]byte(prefix))
}

func (k keys) item(namespace, key string) string { return k.items(namespace, key) + "." }

// key reads what item made.
func (k keys) key(namespace, item string) (string, error) {
	return keyOf(strings.TrimPrefix(item, k.items(namespace, "")))
}

func keyOf(word string) (string, error) {
	digits, ok := strings.CutSuffix(word, ".")
	key, err := hex.DecodeString(digits)
	if err != nil || !ok {
		return "", fmt.Errorf("%q is none of our keys", word)
	}
	return string(key), nil
}

func (k keys) heads() string { return k.root + "h/" }

func (k keys) head(namespace string) string { return k.heads() + namespace + "." }

// namespace reads what head made.
func (k keys) namespace(head string) string {
	return strings.TrimSuffix(strings.TrimPrefix(head, k.heads()), ".")
}

func (k keys) change(namespace string, number uint64) string {
	return fmt.Sprintf("%sl/%s/%016x", k.root, namespace, number)
}

func (k keys) answer(name request.Name) string {
	return k.root + "r/" + hex.EncodeToString(name.Sum[:])
}

// The bits of the steps of a time in milliseconds: of 4 hours 40 minutes, of 4 seconds.
const (
	coarse = 24
	middle = 12
)

func (k keys) alarms() string { return k.root + "t/" }

func (k keys) alarm(at int64, what string) string {
	return fmt.Sprintf("%s%010x/%03x/%03x/%s", k.alarms(), at>>coarse, at>>middle&0xfff, at&0xfff, what)
}

func itemAlarm(namespace, key string) string {
	return "i/" + namespace + "/" + hex.EncodeToString([]byte(key)) + "."
}

func answerAlarm(name request.Name) string { return "r/" + hex.EncodeToString(name.Sum[:]) }

// ringing reads what alarm made, or the beginning of it.
func (k keys) ringing(alarm string) (at int64, what string, err error) {
	words := strings.SplitN(strings.TrimPrefix(alarm, k.alarms()), "/", 4)
	for i, shift := range []uint{coarse, middle, 0} {
		if i == len(words) || words[i] == "" {
			break
		}
		n, bad := strconv.ParseInt(words[i], 16, 64)
		err = errors.Join(err, bad)
		at |= n << shift
	}
	if len(words) == 4 {
		what = words[3]
	}
	return at, what, err
}
