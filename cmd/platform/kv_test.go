package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKV goes through the life of some items. Each row needs those before it.
func TestKV(t *testing.T) {
	c := newCommand(t)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string // with | before what is piped in
		code int
		out  string
		err  string
	}{
		{"put greeting hello", 0, "\n", ""},
		{"get greeting", 0, "hello", ""},
		{"put greeting hi --if-absent", 4, "", "error: already_exists (kv.exists): put \"greeting\": "},
		{"put greeting hi --if-version 1", 4, "", "error: aborted (kv.version_mismatch): "},
		{"put greeting hi --if-version 0", 2, "", `invalid value "0" for --if-version: no item has version 0`},
		{"put greeting hi --ttl soon", 2, "", "for --ttl"},
		{"put greeting hi --ttl -1s", 7, "", "error: invalid_argument: "},
		{"put greeting hi --metadata x", 2, "", `"x" is not of the form name=text`},
		{"put greeting hi --metadata a=b,c --metadata d=e=f --ttl 1h", 0, "\n", ""},
		{"get greeting --output json", 0, `"metadata":{"a":"b,c","d":"e=f"}`, ""},
		{"get greeting --output json", 0, `"expireTime":"`, ""},
		{"touch greeting", 2, "", "how long?"},
		{"touch greeting --ttl 0", 0, "\n", ""},
		{"touch nothing --ttl 1m", 3, "", "error: not_found (kv.not_found): touch \"nothing\": "},
		{"put piped -|some\nlines\n", 0, "\n", ""},
		{"get piped", 0, "some\nlines\n", ""},
		{"put piped -|dashed", 0, "\n", ""},
		{"get piped", 0, "dashed", ""},
		{"put piped|x", 2, "", "takes KEY VALUE, got 1 arguments"},
		{"put piped @" + file, 0, "\n", ""},
		{"get piped", 0, "from a file\n", ""},
		{"put piped @" + file + "x", 2, "", "no such file"},
		{"put -- piped --dashed", 0, "\n", ""},
		{"get piped", 0, "--dashed", ""},
		{"get h", 3, "", "not_found"},
		{"get nothing", 3, "", "error: not_found (kv.not_found): get \"nothing\": "},
		{"get", 2, "", "platform kv get: takes KEY, got 0 arguments"},
		{"get a b", 2, "", `takes KEY, got also "b"`},
		{"get greeting --namespace other", 3, "", "not_found"},
		{"get greeting --namespace OTHER", 7, "", "error: invalid_argument: get \"greeting\": namespace: "},
		{"incr n", 0, "1\n", ""},
		{"incr n 41", 0, "42\n", ""},
		{"incr n -2", 0, "40\n", ""},
		{"incr n --output json", 0, "{\"value\":\"41\"}\n", ""},
		{"incr n one", 2, "", `DELTA "one" is no number`},
		{"incr n -1 --ttl 1m", 2, "", "flags go before an argument that begins with a dash: --ttl"},
		{"incr greeting", 7, "", "error: failed_precondition (kv.not_a_number): "},
		{"list --keys", 0, "greeting\nn\npiped\n", ""},
		{"list g --keys", 0, "greeting\n", ""},
		{"list nothing", 0, "KEY  VERSION  EXPIRES  VALUE\n", ""},
		{"delete", 2, "", "takes KEY, --prefix or --all"},
		{"delete --prefix=", 2, "", "say so with --all"},
		{"delete n --all", 2, "", "takes one of KEY, --prefix and --all"},
		{"delete --prefix n --if-version 3", 2, "", "takes one of KEY, --prefix and --all"},
		{"delete n --if-version 3", 4, "", "error: aborted (kv.version_mismatch): "},
		{"delete --prefix n", 0, "1\n", ""},
		{"delete nothing", 3, "", "error: not_found (kv.not_found): "},
		{"delete --all --output json", 0, "{\"deleted\":\"2\"}\n", ""},
		{"delete --all", 0, "0\n", ""},
		{"get a --timeout 0s", 2, "", "a duration above 0"},
		{"get a --address 127.0.0.1:1", 6, "", "error: unavailable (unreachable): get \"a\": "},
	} {
		args, stdin, piped := strings.Cut(tt.args, "|")
		t.Run(args, func(t *testing.T) {
			c := c
			c.t = t
			if piped {
				c = c.with(stdin)
			}
			c.want(c.run(append([]string{"kv"}, strings.Fields(args)...)...), tt.code, tt.out, tt.err)
		})
	}
}

// TestKVVersion has what one command prints taken by another.
func TestKVVersion(t *testing.T) {
	c := newCommand(t)
	first := strings.TrimSpace(c.run("kv", "put", "a", "1").out)
	c.want(c.run("kv", "put", "a", "2", "--if-version", first), 0, "\n", "")
	c.want(c.run("kv", "delete", "a", "--if-version", first), 4, "", "aborted")
	var second struct{ Version string }
	if err := json.Unmarshal([]byte(c.run("kv", "get", "a", "-o", "json").out), &second); err != nil {
		t.Fatal(err)
	}
	c.want(c.run("kv", "delete", "a", "--if-version", second.Version), 0, "", "")
}

const hostile = "\x1b[2J\xff"

// TestKVGetOnTerminal gives a terminal nothing that it acts on, and a pipe the bytes.
func TestKVGetOnTerminal(t *testing.T) {
	c := newCommand(t)
	c.run("kv", "put", "text", "one\ttwo\nthree")
	c.run("kv", "put", "hostile", hostile)
	c.want(c.onTerminal().run("kv", "get", "text"), 0, "one\ttwo\nthree\n", "")
	c.want(c.onTerminal().run("kv", "get", "hostile"), 0, `"\x1b[2J\xff"`+"\n", "not printable")
	if got := c.run("kv", "get", "hostile").out; got != hostile {
		t.Errorf("got %q, want %q", got, hostile)
	}
	c.want(c.onTerminal().run("kv", "get", "hostile", "-o", "json"), 0, "{\n  \"key\": \"hostile\",\n  \"valueBase64\": \"G1sySv8=\",", "")
}

// TestKVList lists more than a page, in every form.
func TestKVList(t *testing.T) {
	c := newCommand(t)
	const items = 1500
	for i := range items { // over one connection for each; a batch would be faster
		if i%100 == 0 {
			var writes []string
			for j := i; j < i+100; j++ {
				writes = append(writes, fmt.Sprintf(`{"key":"k/%04d","value":"dg=="}`, j))
			}
			c.want(c.run("call", "kv", "KV.BatchPut", `{"writes":[`+strings.Join(writes, ",")+`]}`), 0, "results", "")
		}
	}
	long := strings.Repeat("ä", 40)
	c.run("kv", "put", "other", long)
	c.run("kv", "put", "\x1b", hostile)

	if got := strings.Count(c.run("kv", "list", "k/").out, "\n"); got != items+1 {
		t.Errorf("got %d rows, want %d", got, items+1)
	}
	if got := strings.Count(c.run("kv", "list", "k/", "--keys").out, "\n"); got != items {
		t.Errorf("got %d keys, want %d", got, items)
	}
	c.want(c.run("kv", "list", "other"), 0, "  never    "+strings.Repeat("ä", 30)+"... (80 bytes)\n", "")
	c.want(c.run("kv", "list", "\x1b"), 0, `"\x1b"  `, "")
	c.want(c.run("kv", "list", "\x1b"), 0, `"\x1b[2J\xff"`, "")
	c.want(c.run("kv", "list", "\x1b", "--keys"), 0, `"\x1b"`+"\n", "")

	var all struct {
		Version string
		Items   []struct{ Key, Value, Version string }
	}
	if err := json.Unmarshal([]byte(c.run("kv", "list", "-o", "json").out), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != items+2 || all.Version == "" || all.Items[1].Key != "k/0000" || all.Items[1].Value != "v" {
		t.Errorf("got %d items, version %q, second %+v", len(all.Items), all.Version, all.Items[1])
	}
	r := c.run("kv", "list", "nothing", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || len(all.Items) != 0 {
		t.Errorf("%s: %v", r.out, err)
	}
	c.want(c.run("kv", "list", "other", "-o", "json", "--keys"), 0, "[\n{\"key\":\"other\",\"version\":\"", "")
}

// TestKVWatch prints changes as they happen, goes on from a version, and ends with
// Ctrl-C.
func TestKVWatch(t *testing.T) {
	c := newCommand(t)
	out, errs, stop := c.start("kv", "watch", "user/")
	asJSON, jsonErrs, stopJSON := c.start("kv", "watch", "user/", "-o", "json")
	errs.await("Watching for changes")
	jsonErrs.await("Watching for changes")
	c.run("kv", "put", "other", "x")
	c.run("kv", "put", "user/1", "one")
	version := strings.TrimSpace(c.run("kv", "put", "user/1", hostile).out)
	c.run("kv", "delete", "user/1")

	for _, w := range []struct{ table, json string }{
		{"  user/1  one", `{"type":"put","version":"`},
		{`  user/1  "\x1b[2J\xff"`, `"valueBase64":"G1sySv8=","version":"` + version + `"`},
		{"delete   ", `{"type":"delete","version":"`},
	} {
		out.await(w.table)
		asJSON.await(w.json)
	}
	for _, stop := range []func() int{stop, stopJSON} {
		if code := stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
	out, _, stop = c.start("kv", "watch", "--from", version)
	out.await("delete   ")
	stop()
	c.want(c.run("kv", "watch", "--from", "1"), 7, "", "error: failed_precondition (kv.compacted): ")
	c.want(c.run("kv", "watch", "--timeout", "100ms"), 6, "", "error: deadline_exceeded: not done within 100ms")
}
