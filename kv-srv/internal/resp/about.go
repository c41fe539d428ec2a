package resp

import (
	"fmt"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// config answers CONFIG GET: there are two parameters that tools ask for, and nothing is
// saved on disk as Redis does it.
func (t *session) config(args [][]byte) {
	if !is(args[1], "get") || len(args) < 3 {
		t.unknownSubcommand("CONFIG", args[1])
		return
	}
	found := map[string]string{}
	for _, pattern := range args[2:] {
		for name, value := range map[string]string{"save": "", "appendonly": "no"} {
			if is(pattern, name) {
				found[name] = value
			}
		}
	}
	t.out.dict(len(found))
	for name, value := range found {
		t.pair(name, value)
	}
}

func (t *session) info([][]byte) {
	t.out.text(fmt.Sprintf("# Server\r\nredis_version:%s\r\nserver_name:kv-srv\r\nkv_srv_version:%s\r\nredis_mode:standalone\r\n\r\n"+
		"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n", compatible, t.server.conf.Version))
}

// size answers DBSIZE with the keys of the namespace.
func (t *session) size([][]byte) {
	for token := ""; ; {
		rsp := &kvpb.ListNamespacesResponse{}
		if err := t.caller.Call("KV.ListNamespaces", &kvpb.ListNamespacesRequest{PageSize: 1000, PageToken: token}, rsp); err != nil {
			t.refuse(err)
			return
		}
		for _, n := range rsp.GetNamespaces() {
			switch {
			case n.GetName() != t.namespace:
			case n.Keys == nil:
				t.out.fail("ERR " + n.GetBackend() + " does not count keys")
				return
			default:
				t.out.integer(n.GetKeys())
				return
			}
		}
		if token = rsp.GetNextPageToken(); token == "" {
			t.out.integer(0)
			return
		}
	}
}
