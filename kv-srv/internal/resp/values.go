package resp

import (
	"bytes"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	micropb "github.com/micro/platform/proto/micro"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// fetch returns an item, which is good until the next, or nil where there is none.
func (t *session) fetch(key string) (*kvpb.Item, error) {
	t.get.Namespace, t.get.Key, t.got.Item = t.namespace, key, &t.item
	err := t.caller.Call("KV.Get", &t.get, &t.got)
	if err != nil && rpcerr.Code(err) == codes.NotFound {
		return nil, nil //nolint:nilnil // it is an answer
	}
	return t.got.GetItem(), err
}

func (t *session) read(args [][]byte) {
	item, err := t.fetch(string(args[1]))
	t.value(item, err)
}

// value answers with the value of an item, if there is one.
func (t *session) value(item *kvpb.Item, err error) {
	switch {
	case err != nil:
		t.refuse(err)
	case item == nil:
		t.out.null()
	default:
		t.out.bulk(item.GetValue())
	}
}

func (t *session) length(args [][]byte) {
	item, err := t.fetch(string(args[1]))
	if err != nil {
		t.refuse(err)
		return
	}
	t.out.integer(int64(len(item.GetValue())))
}

// fetchMany returns one result for each key.
func (t *session) fetchMany(keys [][]byte) ([]*kvpb.BatchGetResponse_Result, error) {
	req, rsp := &kvpb.BatchGetRequest{Namespace: t.namespace, Keys: texts(keys)}, &kvpb.BatchGetResponse{}
	err := t.caller.Call("KV.BatchGet", req, rsp)
	return rsp.GetResults(), err
}

func texts(words [][]byte) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}

// readMany answers with all values or none.
func (t *session) readMany(args [][]byte) {
	results, err := t.fetchMany(args[1:])
	if err != nil {
		t.refuse(err)
		return
	}
	begin := len(t.out.buf)
	t.out.array(len(results))
	for _, r := range results {
		switch item := r.GetItem(); {
		case item != nil:
			t.out.bulk(item.GetValue())
		case r.GetError().GetCode() == rpcerr.Name(codes.NotFound):
			t.out.null()
		default:
			t.out.buf = t.out.buf[:begin]
			t.out.fail("ERR the values take more than 3 MiB together: ask for fewer keys at once")
			return
		}
	}
}

// setMany answers MSET, which writes one item after the other.
func (t *session) setMany(args [][]byte) {
	if len(args)%2 == 0 {
		t.wrongNumber("mset")
		return
	}
	req, rsp := &kvpb.BatchPutRequest{Namespace: t.namespace}, &kvpb.BatchPutResponse{}
	for pairs := args[1:]; len(pairs) > 0; pairs = pairs[2:] {
		req.Writes = append(req.Writes, &kvpb.BatchPutRequest_Write{Key: string(pairs[0]), Value: bytes.Clone(pairs[1])})
	}
	if err := t.caller.Call("KV.BatchPut", req, rsp); err != nil {
		t.refuse(err)
		return
	}
	failed, text := 0, ""
	for _, r := range rsp.GetResults() {
		if e := r.GetError(); e != nil {
			failed, text = failed+1, refusal(each(e))
		}
	}
	if failed > 0 {
		if failed < len(req.GetWrites()) {
			text = partly(text)
		}
		t.out.fail(text + " (of " + strconv.Itoa(len(req.GetWrites())) + " keys, " + strconv.Itoa(failed) + " were not written)")
		return
	}
	t.out.status("OK")
}

// each is the error of one element of a batch.
func each(e *micropb.Error) error {
	return rpcerr.New(code(e.GetCode()), e.GetReason(), "%s", e.GetMessage())
}

// code is the one of a name.
func code(name string) codes.Code {
	for c := range codes.Unauthenticated + 1 {
		if rpcerr.Name(c) == name {
			return c
		}
	}
	return codes.Unknown
}

func (t *session) increment(args [][]byte) { t.add(args[1], 1) }
func (t *session) decrement(args [][]byte) { t.add(args[1], -1) }

func (t *session) incrementBy(args [][]byte) {
	if n, ok := t.integer(args[2]); ok {
		t.add(args[1], n)
	}
}

func (t *session) decrementBy(args [][]byte) {
	n, ok := t.integer(args[2])
	switch {
	case !ok:
	case n == -n && n != 0: // the least there is
		t.out.fail("ERR decrement would overflow")
	default:
		t.add(args[1], -n)
	}
}

// integer reads a number, or answers that it is none.
func (t *session) integer(word []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil {
		t.out.fail(notInteger)
	}
	return n, err == nil
}

func (t *session) add(key []byte, delta int64) {
	rsp := &kvpb.IncrementResponse{}
	if err := t.caller.Call("KV.Increment", &kvpb.IncrementRequest{Namespace: t.namespace, Key: string(key), Delta: delta}, rsp); err != nil {
		t.refuse(err)
		return
	}
	t.out.integer(rsp.GetValue())
}
