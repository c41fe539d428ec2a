package resp

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// unit is what a number says about the end of an item.
type unit int

const (
	none    unit = iota
	seconds      // from now on
	millis
	secondsAt // since 1970
	millisAt
)

// unitOf is that of an option of SET.
func unitOf(word []byte) unit {
	for name, u := range map[string]unit{"ex": seconds, "px": millis, "exat": secondsAt, "pxat": millisAt} {
		if is(word, name) {
			return u
		}
	}
	return none
}

// latest is the last moment that a time since 1970 may name: the end of the year 9999.
const latest = 253402300799

// ttl is how long an item has that ends at n, below 0 where that is over.
func (u unit) ttl(n int64, now time.Time) *durationpb.Duration {
	switch u {
	case none:
	case seconds:
		return &durationpb.Duration{Seconds: n}
	case millis:
		return &durationpb.Duration{Seconds: n / 1000, Nanos: int32(n % 1000 * int64(time.Millisecond))}
	case secondsAt:
		return durationpb.New(time.Unix(min(n, latest), 0).Sub(now))
	case millisAt:
		left := time.UnixMilli(min(n, latest*1000)).Sub(now)
		if left > 0 {
			left = max(left, time.Millisecond) // the shortest there is
		}
		return durationpb.New(left)
	}
	return nil
}

// time reads a time to live, or answers that it is none. One that is over is as short as
// there is.
func (t *session) time(word []byte, u unit, command string) (*durationpb.Duration, bool) {
	n, ok := t.integer(word)
	if !ok {
		return nil, false
	}
	if n <= 0 {
		t.out.fail("ERR invalid expire time in '" + command + "' command")
		return nil, false
	}
	ttl := u.ttl(n, t.server.conf.Now())
	if u >= secondsAt && ttl.AsDuration() < time.Millisecond {
		ttl = durationpb.New(time.Millisecond)
	}
	return ttl, true
}

func (t *session) expire(args [][]byte)    { t.touch(args, seconds) }
func (t *session) pexpire(args [][]byte)   { t.touch(args, millis) }
func (t *session) expireAt(args [][]byte)  { t.touch(args, secondsAt) }
func (t *session) pexpireAt(args [][]byte) { t.touch(args, millisAt) }

// touch gives an item a new end. One that is over removes it.
func (t *session) touch(args [][]byte, u unit) {
	if len(args) > 3 {
		t.out.fail("ERR NX, XX, GT and LT are not served: Touch has no condition")
		return
	}
	n, ok := t.integer(args[2])
	if !ok {
		return
	}
	ttl := u.ttl(n, t.server.conf.Now())
	if ttl.AsDuration() <= 0 {
		t.answer(t.delete(args[1]))
		return
	}
	t.answer(t.caller.Call("KV.Touch", &kvpb.TouchRequest{Namespace: t.namespace, Key: string(args[1]), Ttl: ttl}, &kvpb.TouchResponse{}))
}

// answer answers 1, or 0 where there was no item.
func (t *session) answer(err error) {
	switch rpcerr.Code(err) {
	case codes.OK:
		t.out.integer(1)
	case codes.NotFound:
		t.out.integer(0)
	default:
		t.refuse(err)
	}
}

func (t *session) persist(args [][]byte) {
	item, err := t.fetch(string(args[1]))
	switch {
	case err != nil:
		t.refuse(err)
	case item.GetExpireTime() == nil:
		t.out.integer(0)
	default:
		t.answer(t.caller.Call("KV.Touch", &kvpb.TouchRequest{Namespace: t.namespace, Key: string(args[1])}, &kvpb.TouchResponse{}))
	}
}

func (t *session) ttl(args [][]byte) {
	t.end(args[1], func(end time.Time) int64 { return (t.left(end) + 500) / 1000 })
}

func (t *session) pttl(args [][]byte)        { t.end(args[1], t.left) }
func (t *session) expireTime(args [][]byte)  { t.end(args[1], time.Time.Unix) }
func (t *session) pexpireTime(args [][]byte) { t.end(args[1], time.Time.UnixMilli) }

// left is in milliseconds.
func (t *session) left(end time.Time) int64 {
	return max(end.Sub(t.server.conf.Now()), 0).Milliseconds()
}

// end answers when an item ends: -1 never, -2 where there is none.
func (t *session) end(key []byte, as func(time.Time) int64) {
	item, err := t.fetch(string(key))
	switch {
	case err != nil:
		t.refuse(err)
	case item == nil:
		t.out.integer(-2)
	case item.GetExpireTime() == nil:
		t.out.integer(-1)
	default:
		t.out.integer(as(item.GetExpireTime().AsTime()))
	}
}
