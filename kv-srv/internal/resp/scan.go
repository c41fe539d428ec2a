package resp

import (
	"strconv"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// search is what SCAN asks for.
type search struct {
	pattern pattern
	count   int64
	nothing bool // of a type that no item has
}

// maxPage is how many keys SCAN looks at, at most.
const maxPage = 1000

// scan answers SCAN cursor [MATCH pattern] [COUNT n] [TYPE type] with a page of List.
func (t *session) scan(args [][]byte) {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	if err != nil {
		t.out.fail("ERR invalid cursor")
		return
	}
	what, ok := t.search(args[2:])
	if !ok {
		return
	}
	prefix, token := what.pattern.prefix, ""
	if cursor != 0 {
		if token, ok = t.server.cursors.token(cursor, t.namespace, prefix); !ok {
			t.out.fail("ERR invalid cursor: it is none of this namespace and pattern, or too old: begin with 0")
			return
		}
	}
	rsp := &kvpb.ListResponse{}
	req := &kvpb.ListRequest{Namespace: t.namespace, Prefix: prefix, PageSize: int32(min(what.count, maxPage)), PageToken: token, KeysOnly: true} //nolint:gosec // 1 to 1000
	if err := t.caller.Call("KV.List", req, rsp); err != nil {
		t.refuse(err)
		return
	}
	next := uint64(0)
	if token := rsp.GetNextPageToken(); token != "" {
		next = t.server.cursors.add(place{t.namespace, prefix, token})
	}
	t.page(next, what, rsp.GetItems())
}

func (t *session) page(next uint64, what search, items []*kvpb.Item) {
	found := make([]string, 0, len(items))
	for _, item := range items {
		if key := item.GetKey(); !what.nothing && what.pattern.matches(key) {
			found = append(found, key)
		}
	}
	t.out.array(2)
	t.out.text(strconv.FormatUint(next, 10))
	t.out.array(len(found))
	for _, key := range found {
		t.out.text(key)
	}
}

// search reads the options, or answers that they are wrong.
func (t *session) search(words [][]byte) (what search, ok bool) {
	what = search{pattern: newPattern("*"), count: 10}
	for ; len(words) > 0; words = words[2:] {
		switch {
		case len(words) == 1:
			t.syntax()
			return what, false
		case is(words[0], "match"):
			what.pattern = newPattern(string(words[1]))
		case is(words[0], "count"):
			if what.count, ok = t.integer(words[1]); !ok {
				return what, false
			}
			if what.count < 1 {
				t.syntax()
				return what, false
			}
		case is(words[0], "type"):
			what.nothing = !is(words[1], "string")
		default:
			t.syntax()
			return what, false
		}
	}
	return what, true
}
