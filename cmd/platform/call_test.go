package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
)

// TestCall calls every kind of method, with requests from everywhere.
func TestCall(t *testing.T) {
	c := newCommand(t)
	file := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(file, []byte(`{"text":"from a file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		stdin string // "": a terminal
		args  []string
		code  int
		out   string
		err   string
	}{
		{"endpoint", "", []string{"Echo.Call", `{"text":"hi"}`}, 0, "{\"text\":\"hi\"}\n", ""},
		{"short path", "", []string{"Echo/Call", `{"text":"hi"}`}, 0, "{\"text\":\"hi\"}\n", ""},
		{"path", "", []string{"/micro.test.v1.Echo/Call", `{"text":"hi"}`}, 0, "{\"text\":\"hi\"}\n", ""},
		{"full name", "", []string{"micro.test.v1.Echo.Call", `{"text":"hi"}`}, 0, "{\"text\":\"hi\"}\n", ""},
		{"of grpc", "", []string{"grpc.health.v1.Health/Check", "{}"}, 0, "{\"status\":\"SERVING\"}\n", ""},
		{"stdin", `{"text":"piped"}`, []string{"Echo.Call"}, 0, "{\"text\":\"piped\"}\n", ""},
		{"dash", `{"text":"piped"}`, []string{"Echo.Call", "-"}, 0, "{\"text\":\"piped\"}\n", ""},
		{"empty stdin", "\n", []string{"Echo.Call"}, 0, "{}\n", ""},
		{"file", "", []string{"Echo.Call", "@" + file}, 0, "from a file", ""},
		{"escapes", "", []string{"Echo.Call", `{"text":"\u001b[31m \u009b \u202e ä <"}`}, 0, `{"text":"\u001b[31m \u009b \u202e ä <"}`, ""},
		{"header", "", []string{"Echo.Call", `{"text":"metadata"}`, "--header", "x-a=b,c", "--header", "X-D=e=f"}, 0, `"X-A":"b,c","X-D":"e=f"`, ""},
		{"deadline", "", []string{"Echo.Call", `{"text":"metadata"}`, "--timeout", "1h"}, 0, `"left":"3599.`, ""},
		{"server stream", "", []string{"Echo.Count", `{"count":3,"size":1}`}, 0, "{\"payload\":\"AA==\"}\n{\"index\":1,\"payload\":\"AQ==\"}\n{\"index\":2,\"payload\":\"Ag==\"}\n", ""},
		{"client stream", "{}\n{}\n\n{}", []string{"Echo.Collect"}, 0, "{\"count\":3}\n", ""},
		{"client stream of an argument", "", []string{"Echo.Collect", "{} {}"}, 0, "{\"count\":2}\n", ""},
		{"bidi", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", []string{"Echo.Chat"}, 0, "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", ""},

		{"no request", "", []string{"Echo.Call"}, 2, "", `Echo.Call takes a request: {"text":"","payload":"","code":0,"reason":"","sleep":"1s","panic":false}`},
		{"no JSON", "", []string{"Echo.Call", "{"}, 2, "", "error: request of Echo.Call: not JSON: unexpected EOF\n"},
		{"unknown field", "", []string{"Echo.Call", `{"txt":1}`}, 2, "", `unknown field "txt"; it is such as {"text":""`},
		{"two messages", "", []string{"Echo.Call", "{} {}"}, 2, "", "takes one message"},
		{"wrong message in a stream", "{}\n[]\n", []string{"Echo.Collect"}, 2, "", "message 2 to Echo.Collect: "},
		{"no file", "", []string{"Echo.Call", "@" + file + "x"}, 2, "", "no such file"},
		{"no method", "", []string{"Echo.Cal", "{}"}, 2, "", `echo-srv has no method "Echo.Cal", did you mean Echo.Call? (have Operations.Backup, Echo.Call, Echo.Count, Echo.Chat, Echo.Collect)`},
		{"no name of a method", "", []string{"Call", "{}"}, 2, "", `has no method "Call"`},
		{"wrong header", "", []string{"Echo.Call", "{}", "--header", "x"}, 2, "", `"x" is not of the form name=value`},
		{"not ASCII", "", []string{"Echo.Call", "{}", "--header", "x=\n"}, 2, "", "printable ASCII"},
		{"too much", "", []string{"Echo.Call", "{}", "{}"}, 2, "", `platform call: takes SERVICE [METHOD [REQUEST]], got also "{}"`},
		{"wrong address", "", []string{"Echo.Call", "{}", "--address", "nowhere"}, 2, "", `"nowhere" is no address such as`},
		{"nobody there", "", []string{"Echo.Call", "{}", "--address", "127.0.0.1:1"}, 6, "", "error: unavailable: no answer from echo-srv at 127.0.0.1:1: connection error"},
		{"timeout", "", []string{"Echo.Call", `{"sleep":"10s"}`, "--timeout", "200ms"}, 6, "", "error: deadline_exceeded: not done within 200ms (--timeout)\n"},
		{"timeout of a stream", "", []string{"Echo.Count", `{"hold":true}`, "--timeout", "200ms"}, 6, "", "not done within 200ms (--timeout)\n"},
		{"failed stream", "", []string{"Echo.Count", `{"count":1,"code":10}`}, 4, "{}\n", "error: aborted (test.told): as told\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := c
			c.t = t
			if tt.stdin != "" {
				c = c.with(tt.stdin)
			}
			c.want(c.run(append([]string{"call", "echo-srv"}, tt.args...)...), tt.code, tt.out, tt.err)
		})
	}
}

// TestExitCodes has each code of an answer.
func TestExitCodes(t *testing.T) {
	c := newCommand(t)
	for code, want := range map[string]int{
		"1": 1, "2": 1, "3": 7, "4": 6, "5": 3, "6": 4, "7": 5, "8": 1, "9": 7, "10": 4, "11": 7, "12": 1, "14": 6, "15": 1, "16": 5,
	} {
		r := c.run("call", "echo-srv", "Echo.Call", `{"code":`+code+`,"reason":"a.b","text":"one\ntwo\u001b[2J"}`)
		c.want(r, want, "", " (a.b): one\n       two\\u001b[2J\n")
	}
}

// TestCallListsMethods has all that a user needs to call one.
func TestCallListsMethods(t *testing.T) {
	c := newCommand(t)
	want := `METHOD             KIND           REQUEST
Operations.Backup  server stream  {}
Echo.Call          unary          {"text":"","payload":"","code":0,"reason":"","sleep":"1s","panic":false}
Echo.Count         server stream  {"count":0,"size":0,"hold":false,"code":0}
Echo.Chat          bidi           {"text":""}
Echo.Collect       client stream  {"text":""}
`
	if diff := cmp.Diff(want, c.run("call", "echo-srv").out); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	r := c.run("call", "kv", "--output", "json")
	var rows []methodRow
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%s: %v", r.out, err)
	}
	i := slices.IndexFunc(rows, func(row methodRow) bool { return row.Method == "KV.Watch" })
	if i < 0 {
		t.Fatalf("no KV.Watch: %s", r.out)
	}
	if got := rows[i]; got.Path != "/micro.kv.v1.KV/Watch" || !got.ServerStreaming || got.ClientStreaming {
		t.Errorf("got %+v", got)
	}
	// Each skeleton is a request.
	for _, row := range rows {
		if r := c.run("call", "kv", row.Method, string(row.Request), "--timeout", "1s"); r.code == exitUsage {
			t.Errorf("%s: %s", row.Method, r.err)
		}
	}
}

// TestCallOnTerminal indents.
func TestCallOnTerminal(t *testing.T) {
	c := newCommand(t)
	c.want(c.onTerminal().run("call", "echo-srv", "Echo.Call", `{"text":"hi"}`), 0, "{\n  \"text\": \"hi\"\n}\n", "")
}

// TestCallAway says what to do.
func TestCallAway(t *testing.T) {
	c := newCommand(t)
	c.want(c.run("call", "nix-srv"), 6, "", "error: unavailable: no nix-srv in the registry memory: — give --address host:port\n")
	none := process{getenv: func(name string) string {
		if name == "PLATFORM_REGISTRY" {
			return "memory:"
		}
		return ""
	}, services: services(), stdin: strings.NewReader("")}
	for _, args := range [][]string{{"call", "kv"}, {"kv", "get", "a"}} {
		c.want(command{t, none}.run(args...), 6, "",
			"error: unavailable: no kv-srv in the registry memory: — start it with `platform serve kv`, or give --address host:port\n")
	}
}

// TestCallStreams prints what arrives as it arrives, and ends with its context, for the
// service too.
func TestCallStreams(t *testing.T) {
	ended := make(chan string, 1)
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{Ended: func(protocol string) { ended <- protocol }}))
	c := command{t, process{getenv: func(string) string { return "" }, registry: p.Registry}}
	in, w := io.Pipe()
	defer w.Close()
	c.stdin, c.stdinTerminal = in, false
	out, _, stop := c.start("call", "echo-srv", "Echo.Chat")
	for _, text := range []string{"one", "two"} {
		if _, err := io.WriteString(w, `{"text":"`+text+`"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		out.await(text)
	}
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	<-ended

	out, _, stop = c.start("call", "echo-srv", "Echo.Count", `{"count":1,"hold":true}`)
	out.await("{}")
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	<-ended
}

// TestCallInterrupted cuts a call short.
func TestCallInterrupted(t *testing.T) {
	c := newCommand(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(200*time.Millisecond, cancel).Stop()
	c.want(c.runIn(ctx, "call", "echo-srv", "Echo.Call", `{"sleep":"20s"}`, "--timeout", "20s"), 130, "", "error: canceled: ")
}

// TestInterruptedInput does not wait for what the user will not type.
func TestInterruptedInput(t *testing.T) {
	c := newCommand(t)
	for _, args := range [][]string{{"call", "echo-srv", "Echo.Call", "-"}, {"kv", "put", "a", "-"}} {
		ctx, interrupt := context.WithCancel(t.Context())
		c.stdin = readerFunc(func([]byte) (int, error) {
			interrupt()
			<-t.Context().Done()
			return 0, io.EOF
		})
		c.want(c.runIn(ctx, args...), 130, "", "interrupted\n")
	}
}

// TestSlowInput has all the time that it takes.
func TestSlowInput(t *testing.T) {
	c := newCommand(t)
	for _, args := range [][]string{{"call", "echo-srv", "Echo.Call", "-"}, {"kv", "put", "a", "-"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			c := c
			c.t = t
			const timeout = 2 * time.Second
			c.stdin = io.MultiReader(readerFunc(func([]byte) (int, error) {
				time.Sleep(timeout + timeout/10)
				return 0, io.EOF
			}), strings.NewReader("{}"))
			c.want(c.run(append(args, "--timeout", timeout.String())...), 0, "\n", "")
		})
	}
}
