package resp

import (
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// maxKeys is how many keys a command may name: those of a batch.
const maxKeys = 1000

func (t *session) delete(key []byte) error {
	return t.caller.Call("KV.Delete", &kvpb.DeleteRequest{Namespace: t.namespace, Key: string(key)}, &kvpb.DeleteResponse{})
}

// remove deletes keys one after the other, and answers how many there were.
func (t *session) remove(args [][]byte) {
	keys := args[1:]
	if len(keys) > maxKeys {
		t.out.fail(fmt.Sprintf("ERR keys: %d of them, want 1 to %d", len(keys), maxKeys))
		return
	}
	removed := 0
	for _, key := range keys {
		switch err := t.delete(key); rpcerr.Code(err) {
		case codes.OK:
			removed++
		case codes.NotFound:
		default:
			text := refusal(err)
			if removed > 0 {
				text = fmt.Sprintf("%s (%d of %d keys were deleted)", partly(text), removed, len(keys))
			}
			t.out.fail(text)
			return
		}
	}
	t.out.integer(int64(removed))
}

// exists counts the keys that are there, one that is named twice as two.
func (t *session) exists(args [][]byte) {
	if len(args) == 2 {
		item, err := t.fetch(string(args[1]))
		if err != nil {
			t.refuse(err)
			return
		}
		t.out.flag(item != nil)
		return
	}
	results, err := t.fetchMany(args[1:])
	if err != nil {
		t.refuse(err)
		return
	}
	there := int64(0)
	for _, r := range results {
		if r.GetError().GetCode() != rpcerr.Name(codes.NotFound) { // its value may have found no room
			there++
		}
	}
	t.out.integer(there)
}

func (t *session) kind(args [][]byte) {
	item, err := t.fetch(string(args[1]))
	switch {
	case err != nil:
		t.refuse(err)
	case item == nil:
		t.out.status("none")
	default:
		t.out.status("string")
	}
}
