package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/kvclient"
)

// TestKVNamespaces lists more than a page, in every form.
func TestKVNamespaces(t *testing.T) {
	c, p := newCommandOf(t, nil)
	c.want(c.run("kv", "namespaces"), 0, "NAMESPACE  BACKEND  KEYS  BYTES\n", "")
	c.want(c.run("kv", "namespaces", "-o", "json"), 0, `{"namespaces":[]}`+"\n", "")
	c.want(c.run("kv", "namespaces", "x"), 2, "", `takes no argument, got also "x"`)
	c.run("kv", "put", "k", "12345")
	c.run("kv", "put", "k", "1", "--namespace", "billing")
	c.run("kv", "put", "l", "1", "--namespace", "billing")
	c.want(c.run("kv", "namespaces"), 0, "billing    memory   2     4\ndefault    memory   1     6\n", "")
	c.want(c.run("kv", "namespaces", "-o", "json"), 0,
		`{"name":"billing","backend":"memory","keys":"2","bytes":"4"},`+"\n"+`{"name":"default",`, "")
	c.run("kv", "delete", "k")
	const more = 1005
	for i := range more { // over one connection
		kv := kvclient.New(p.Client, kvclient.WithNamespace(fmt.Sprintf("ns-%04d", i)))
		if _, err := kv.Put(t.Context(), "k", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(c.run("kv", "namespaces").out, "\n"); got != more+2 {
		t.Errorf("got %d rows, want %d", got, more+2)
	}
	var all struct{ Namespaces []struct{ Name, Keys string } }
	if err := json.Unmarshal([]byte(c.run("kv", "namespaces", "-o", "json").out), &all); err != nil {
		t.Fatal(err)
	}
	if n := len(all.Namespaces); n != more+1 || all.Namespaces[n-1].Name != "ns-1004" || all.Namespaces[n-1].Keys != "1" {
		t.Errorf("got %d namespaces, the last %+v", n, all.Namespaces[n-1])
	}
}

// TestKVNamespacesUnlisted: what cannot be listed is said.
func TestKVNamespacesUnlisted(t *testing.T) {
	c, _ := newCommandOf(t, map[string]string{"KV_STORE": "memcached://127.0.0.1:1", "KV_STORES": "a=memory:,b=memcached://127.0.0.1:1"})
	c.want(c.run("kv", "namespaces"), 0, "a          memory     0     0\nb          memcached  -     -\n", "memcached cannot list namespaces: it may have others.\n")
	c.want(c.run("kv", "namespaces", "-o", "json"), 0, `{"name":"b","backend":"memcached"}`+"\n"+`],"unlistedBackend":"memcached"}`+"\n", "memcached cannot list")
	c, _ = newCommandOf(t, map[string]string{"KV_STORE": "memcached://127.0.0.1:1"})
	c.want(c.run("kv", "namespaces"), 1, "", "error: unimplemented (kv.unsupported): list namespaces: memcached cannot list namespaces (memory, disk, redis, etcd, consul can)")
}

// TestKVHot has what was used, in the order of how often.
func TestKVHot(t *testing.T) {
	c := newCommand(t)
	c.want(c.run("kv", "hot"), 0, "NAMESPACE  KEY  READS/S  WRITES/S\n", "")
	c.want(c.run("kv", "hot", "-o", "json"), 0, `{"keys":[]}`+"\n", "")
	c.run("kv", "put", "a", "v")
	for range 3 {
		c.run("kv", "get", "a")
		c.run("kv", "get", "\x1b")
	}
	for range 2 {
		c.run("kv", "incr", "n", "--namespace", "billing")
	}
	rows := strings.Split(strings.TrimSpace(c.run("kv", "hot", "--all").out), "\n")
	var got []string
	for _, row := range rows[1:] {
		fields := strings.Fields(row)
		got = append(got, fields[0]+" "+fields[1])
	}
	if want := "default a,default \"\\x1b\",billing n"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if got := strings.Count(c.run("kv", "hot").out, "\n"); got != 3 {
		t.Errorf("of one namespace: got %d lines, want 3", got)
	}
	if got := strings.Count(c.run("kv", "hot", "--all", "--limit", "1").out, "\n"); got != 2 {
		t.Errorf("with a limit: got %d lines, want 2", got)
	}
	c.want(c.run("kv", "hot", "--limit", "101"), 7, "", "error: invalid_argument: list hot keys: limit: 101, want 1 to 100, or 0 for 20")
	c.want(c.run("kv", "hot", "--all", "--namespace", "billing"), 2, "", "takes one of --all and --namespace")
	var hot struct {
		Keys []struct {
			Namespace, Key      string
			ReadRate, WriteRate float64
		}
	}
	if err := json.Unmarshal([]byte(c.run("kv", "hot", "-o", "json").out), &hot); err != nil || len(hot.Keys) == 0 {
		t.Fatalf("got %+v, %v", hot, err)
	}
	if k := hot.Keys[0]; k.Key != "a" || k.ReadRate <= 0 || k.WriteRate <= 0 || k.WriteRate >= k.ReadRate {
		t.Errorf("got %+v, want a with three times as many reads as writes", k)
	}
}
