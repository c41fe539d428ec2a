package resp

import (
	"bytes"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// manner is how SET is to write.
type manner struct {
	ttl             *durationpb.Duration
	absent, present bool // NX, XX
	get, keep       bool // GET, KEEPTTL
}

func (t *session) set(args [][]byte) {
	if len(args) == 3 {
		t.write(args[1], args[2], manner{})
		return
	}
	if how, ok := t.manner(args[3:]); ok {
		t.write(args[1], args[2], how)
	}
}

// manner reads what stands behind the value, or answers that it is wrong.
func (t *session) manner(words [][]byte) (how manner, ok bool) {
	for ; len(words) > 0; words = words[1:] {
		switch word := words[0]; {
		case is(word, "nx"):
			how.absent = true
		case is(word, "xx"):
			how.present = true
		case is(word, "get"):
			how.get = true
		case is(word, "keepttl"):
			how.keep = true
		case unitOf(word) == none || len(words) == 1 || how.ttl != nil:
			t.syntax()
			return how, false
		default:
			if how.ttl, ok = t.time(words[1], unitOf(word), "set"); !ok {
				return how, false
			}
			words = words[1:]
		}
	}
	if how.absent && how.present || how.keep && how.ttl != nil {
		t.syntax()
		return how, false
	}
	return how, true
}

func (t *session) setAbsent(args [][]byte) {
	switch err := t.store(string(args[1]), args[2], manner{absent: true}, nil); rpcerr.Code(err) {
	case codes.OK:
		t.out.integer(1)
	case codes.AlreadyExists:
		t.out.integer(0)
	default:
		t.refuse(err)
	}
}

func (t *session) setSeconds(args [][]byte) {
	if ttl, ok := t.time(args[2], seconds, "setex"); ok {
		t.write(args[1], args[3], manner{ttl: ttl})
	}
}

func (t *session) setMillis(args [][]byte) {
	if ttl, ok := t.time(args[2], millis, "psetex"); ok {
		t.write(args[1], args[3], manner{ttl: ttl})
	}
}

func (t *session) swap(args [][]byte) { t.write(args[1], args[2], manner{get: true}) }

// store makes a Put. With before it is one on the item of that time.
func (t *session) store(key string, value []byte, how manner, before *kvpb.Item) error {
	p := &t.put
	p.Namespace, p.Key, p.Value = t.namespace, key, bytes.Clone(value) // the store's from now on
	p.Ttl, p.IfAbsent, p.IfVersion = how.ttl, how.absent, before.GetVersion()
	err := t.caller.Call("KV.Put", p, &t.stored)
	p.Value = nil
	return err
}

// write stores a value and answers.
func (t *session) write(key, value []byte, how manner) {
	if how.present || how.get || how.keep {
		t.exchange(string(key), value, how)
		return
	}
	switch err := t.store(string(key), value, how, nil); {
	case err == nil:
		t.out.status("OK")
	case how.absent && rpcerr.Code(err) == codes.AlreadyExists:
		t.out.null()
	default:
		t.refuse(err)
	}
}

// tries is how often somebody else may write between a read and a write of ours.
const tries = 32

const busy = "TRYAGAIN the key is written too often: nothing was done"

// exchange stores a value in place of what is there and has not changed meanwhile.
func (t *session) exchange(key string, value []byte, how manner) {
	for range tries {
		item, err := t.fetch(key)
		switch {
		case err != nil:
			t.refuse(err)
			return
		case item == nil && how.present, item != nil && how.absent:
			if !how.get {
				item = nil
			}
			t.value(item, nil)
			return
		}
		with := how
		with.absent = item == nil
		if end := item.GetExpireTime(); how.keep && end != nil {
			with.ttl = durationpb.New(max(end.AsTime().Sub(t.server.conf.Now()), time.Millisecond))
		}
		switch err = t.store(key, value, with, item); {
		case moved(err):
		case err != nil:
			t.refuse(err)
			return
		case how.get:
			t.value(item, nil)
			return
		default:
			t.out.status("OK")
			return
		}
	}
	t.out.fail(busy)
}

// moved tells whether somebody else has written meanwhile.
func moved(err error) bool {
	c := rpcerr.Code(err)
	return c == codes.Aborted || c == codes.AlreadyExists
}

// take answers GETDEL.
func (t *session) take(args [][]byte) {
	key := string(args[1])
	for range tries {
		item, err := t.fetch(key)
		if err != nil || item == nil {
			t.value(item, err)
			return
		}
		err = t.caller.Call("KV.Delete", &kvpb.DeleteRequest{Namespace: t.namespace, Key: key, IfVersion: item.GetVersion()}, &kvpb.DeleteResponse{})
		switch {
		case moved(err), rpcerr.Code(err) == codes.NotFound:
		default:
			t.value(item, err)
			return
		}
	}
	t.out.fail(busy)
}
