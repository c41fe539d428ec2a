package resp

import (
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// maxTogether is how many commands of a pipeline become one call.
const maxTogether = 100

// run is commands of one kind that have come together and wait for those behind them:
// GETs, or SETs without options.
type run struct {
	of   *command
	args [][]byte // of all of them, with the names, in the buffer of the reader
}

// join adds a command to those that wait, or returns false for one that is done by itself.
func (t *session) join(args [][]byte) bool {
	c := t.find(args[0])
	if c == nil || c.plain != len(args) || !t.reader.Known {
		return false
	}
	if c != t.waiting.of || len(t.waiting.args) == maxTogether*c.plain {
		t.settle()
	}
	t.waiting.of = c
	t.waiting.args = append(t.waiting.args, args...)
	return true
}

// settle does the commands that wait.
func (t *session) settle() {
	c, args := t.waiting.of, t.waiting.args
	defer clear(args) // the buffer may be large, and the caller may stay silent
	t.waiting.args = args[:0]
	switch {
	case len(args) == 0:
	case len(args) == c.plain:
		c.run(t, args)
	default:
		c.many(t, args)
	}
}

// refuseAll answers n commands whose one call has failed. It returns false where each is to
// be done by itself, because one of them is wrong.
func (t *session) refuseAll(n int, err error) bool {
	if rpcerr.Code(err) == codes.InvalidArgument {
		return false
	}
	for range n {
		t.refuse(err)
	}
	return true
}

func (t *session) readTogether(args [][]byte) {
	b := t.server.batch()
	defer t.server.again(b)
	err := t.caller.Call("KV.BatchGet", b.reading(t.namespace, args), &b.got)
	if err != nil && t.refuseAll(len(args)/2, err) {
		return
	}
	results := b.got.GetResults()
	for i := 0; i < len(args) && !t.over; i += 2 {
		switch {
		case err == nil && results[i/2].GetItem() != nil:
			t.out.bulk(results[i/2].GetItem().GetValue())
		case err == nil && results[i/2].GetError().GetCode() == rpcerr.Name(codes.NotFound):
			t.out.null()
		default: // there was no room for it among the others
			t.read(args[i : i+2])
		}
		t.spill()
	}
}

func (t *session) writeTogether(args [][]byte) {
	b := t.server.batch()
	defer t.server.again(b)
	n := len(args) / 3
	err := t.caller.Call("KV.BatchPut", b.writing(t.namespace, args), &b.stored)
	if err != nil && t.refuseAll(n, err) {
		return
	}
	for i := 0; i < n && !t.over; i++ {
		switch {
		case err != nil:
			t.set(args[3*i : 3*i+3])
		case b.stored.GetResults()[i].GetError() != nil:
			t.refuse(each(b.stored.GetResults()[i].GetError()))
		default:
			t.out.status("OK")
		}
		t.spill()
	}
}
