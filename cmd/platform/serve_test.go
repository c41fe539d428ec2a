package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// alone returns a command that finds nothing in its registry.
func alone(t *testing.T) command {
	env := map[string]string{
		"PLATFORM_REGISTRY": "memory:", "PLATFORM_DATA": t.TempDir(),
		"KV_ADDRESS": "127.0.0.1:0", "ECHO_ADDRESS": "127.0.0.1:0",
	}
	return command{t, process{
		stdin: strings.NewReader(""), getenv: func(name string) string { return env[name] },
		services: []host.Service{kvserver.Service(), echo.Service(&echo.Handler{})},
	}}
}

// TestServe runs what it is told to.
func TestServe(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "kv-srv echo-srv"},
		{[]string{"kv"}, "kv-srv"},
		{[]string{"echo-srv", "kv", "kv-srv"}, "echo-srv kv-srv"},
	} {
		out, _, stop := alone(t).start(append([]string{"serve"}, tt.args...)...)
		out.await("SERVICE")
		for name := range strings.FieldsSeq(tt.want) {
			address := strings.TrimSpace(strings.TrimPrefix(out.await(name), name))
			c := alone(t)
			c.want(c.run("call", name, "grpc.health.v1.Health/Check", "{}", "--address", address), 0, "SERVING", "")
		}
		if code := stop(); code != 0 {
			t.Errorf("%s: got exit code %d, want 0", tt.args, code)
		}
	}
}

// TestServeJSON tells the addresses to a program.
func TestServeJSON(t *testing.T) {
	out, _, stop := alone(t).start("-o", "json", "serve")
	defer stop()
	var rows []host.Running
	if err := json.Unmarshal([]byte(out.await("[")), &rows); err != nil || len(rows) != 2 || rows[0].Name != "kv-srv" || rows[0].Address == "" {
		t.Errorf("got %v, error %v", rows, err)
	}
}

// TestServeHelp lists every setting.
func TestServeHelp(t *testing.T) {
	c := alone(t)
	r := c.run("serve", "-h")
	for _, want := range []string{"kv-srv, echo-srv", "KV_ADDRESS", "127.0.0.1:8106", "KV_STORE", "PLATFORM_REGISTRY", "ECHO_ADDRESS"} {
		c.want(r, 0, want, "")
	}
}

// TestServices lists what there is, for people and programs.
func TestServices(t *testing.T) {
	c := newCommand(t)
	r := c.run("services")
	got := strings.Fields(r.out)
	if len(got) != 12 || got[4] != "echo-srv" || got[7] != "5" || got[8] != "kv-srv" || got[11] != "14" {
		t.Errorf("got %s", r.out)
	}
	var rows []instance
	if err := json.Unmarshal([]byte(c.run("services", "--output", "json").out), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Name != "echo-srv" || rows[0].Address == "" || rows[0].Endpoints[0] != "Echo.Call" {
		t.Errorf("got %+v", rows)
	}
	c = alone(t)
	c.want(c.run("services"), 0, "SERVICE  VERSION  ADDRESS  ENDPOINTS\n", "is that of one process")
	c.want(c.run("services", "-o", "json"), 0, "[]\n", "is that of one process")
}

// TestUsage says what is wrong with a command line, and what may be meant.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"srve", `platform: no command "srve", did you mean serve? (have serve, console, health, services, top, call, discovery, kv, backup, restore, completion)`},
		{"kv gt", `platform kv: no command "gt", did you mean get? (have get,`},
		{"kv xylophone", `platform kv: no command "xylophone" (have`},
		{"completion tcsh", `platform completion: no command "tcsh" (have bash, zsh, fish, pwsh)`},
		{"help kv gt", `platform kv: no command "gt"`},
		{"--outptu json services", "platform: no flag --outptu, did you mean --output? (platform -h lists them)"},
		{"kv get a --namespce b", "platform kv get: no flag --namespce, did you mean --namespace?"},
		{"kv get a -x", "platform kv get: no flag -x"},
		{"kv get a --namespace", "platform kv get: flag needs an argument: --namespace"},
		{"services --output xml", `platform services: invalid value "xml" for --output: have table, json`},
		{"services all", `platform services: takes no argument, got also "all"`},
		{"serve kw", `no service "kw", did you mean kv? (have kv-srv, echo-srv)`},
		{"--registry foo: services", `PLATFORM_REGISTRY: no registry for scheme "foo"`},
		{"--registry foo: serve", `PLATFORM_REGISTRY: no registry for scheme "foo"`},
	} {
		c := alone(t)
		c.want(c.run(strings.Fields(tt.args)...), 2, "", "error: "+tt.want)
	}
}

// TestHelp is there for whoever asks, in each way to ask.
func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"":            "  6    unavailable, deadline_exceeded",
		"-h":          "COMMANDS:",
		"help":        "COMMANDS:",
		"--version":   "platform ",
		"kv":          "incr",
		"kv put -h":   "--if-version VERSION",
		"help kv put": "--if-version VERSION",
		"call --help": "  6    unavailable, deadline_exceeded",
		"top -h":      "--sort COLUMN",
		"services -h": "--watch",
	} {
		c := alone(t)
		c.want(c.run(strings.Fields(args)...), 0, want, "")
	}
}

// TestCompletion offers commands, flags and services to shells.
func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"":             "serve:run services",
		"kv":           "incr:add to a number",
		"kv put --if":  "--if-version:only if",
		"serve":        "kv-srv\necho-srv\n",
		"call":         "kv-srv\necho-srv\n",
		"serve kv-srv": "echo-srv\n",
		"call --add":   "--address:call",
		"top --so":     "--sort:`COLUMN`",
		"services --w": "--watch:go on",
	} {
		c := alone(t)
		c.want(c.run(append(strings.Fields(args), "--generate-shell-completion")...), 0, want, "")
	}
	c := alone(t)
	c.want(c.run("call", "kv-srv", "--generate-shell-completion"), 0, "", "")
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		c := alone(t)
		c.want(c.run("completion", shell), 0, "--generate-shell-completion", "")
	}
}

// TestDiskFull is no success.
func TestDiskFull(t *testing.T) {
	c := newCommand(t)
	c.stdout, c.stderr, c.args = full{}, t.Output(), []string{"platform", "services"}
	if code := run(t.Context(), c.process); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestExitCodeOfStop is no success where stopping failed, and no interruption.
func TestExitCodeOfStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := exitCode(ctx, errors.New("stop kv-srv: cannot")); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}

func TestDidYouMean(t *testing.T) {
	words := []string{"get", "put", "namespace"}
	for typed, want := range map[string]string{
		"gt": "get", "gte": "get", "egt": "get", "gets": "get", "ge": "get", "teg": "", "pt": "put", "nmaespace": "namespace", "x": "", "": "",
	} {
		got := strings.TrimSuffix(strings.TrimPrefix(didYouMean(typed, words), ", did you mean "), "?")
		if got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}
