package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"go-micro.dev/v5/registry"
)

// register has the registry of c know an address.
func (c command) register(service, address string) *registry.Service {
	c.t.Helper()
	s := &registry.Service{Name: service, Version: "1.2.3", Nodes: []*registry.Node{{Id: service + "-1", Address: address}}}
	if err := c.registry.Register(s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// seen is a line of top.
type seen struct {
	Error     string
	Instances []topInstance
}

func (c command) seen(line string) seen {
	c.t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		c.t.Fatalf("%q: %v", line, err)
	}
	return s
}

// TestTop prints a line for each second where there is no terminal, or JSON is wanted.
func TestTop(t *testing.T) {
	c := newCommand(t)
	c.register("gone", "127.0.0.1:1")
	for _, c := range []command{c, c.onTerminal()} {
		args := []string{"top", "--count", "2", "--sort", "state"}
		if c.stdoutTerminal {
			args = append(args, "-o", "json")
		}
		r := c.run(args...)
		c.want(r, 0, "\n", "")
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if len(lines) != 2 {
			t.Fatalf("got %d lines, want 2: %s", len(lines), r.out)
		}
		for _, line := range lines {
			all := c.seen(line).Instances
			if len(all) != 3 || all[0].Name != "gone" || all[0].State != "away" || all[0].Why != "connection refused" || all[0].Load != nil ||
				all[1].Name != "echo-srv" || all[1].State != "ready" || all[1].Started.IsZero() || all[2].Name != "kv-srv" {
				t.Errorf("got %s", line)
			}
		}
		if l := c.seen(lines[1]).Instances[2].Load; l == nil || l.P99 != "0s" {
			t.Errorf("got load %+v in %s", l, lines[1])
		}
	}
	for args, want := range map[string]string{
		"top --sort size": `platform top: invalid value "size" for --sort: have service, state, since,`,
		"top --count 0":   `platform top: invalid value "0" for --count: want 1 or more`,
		"top kv":          `platform top: takes no argument, got also "kv"`,
	} {
		c.want(c.run(strings.Fields(args)...), 2, "", "error: "+want)
	}
}

// frames returns what a terminal shows, without its looks. It must have been left as it was.
func frames(t *testing.T, out string) []string {
	t.Helper()
	out, begun := strings.CutPrefix(out, enter)
	out, ended := strings.CutSuffix(out, leave)
	if !begun || !ended {
		t.Fatalf("got %q, want another screen, and this one back", out)
	}
	out = regexp.MustCompile("\x1b\\[[0-9]*[mKJ]").ReplaceAllString(out, "")
	return strings.Split(out, home)[2:] // after what waits for the first
}

// TestTopTerminal draws a table as large as the terminal.
func TestTopTerminal(t *testing.T) {
	c := newCommand(t)
	c.register("gone", "127.0.0.1:1")
	c.register("evil\x1b[2J", "127.0.0.1:2")
	for _, tt := range []struct {
		width, height int
		want, not     []string
	}{
		{200, 20, []string{"instances: 4", "ready: 2", "VERSION", "IN FLIGHT", "P99", "gone", "away", "connection refused", `"evil\x1b[2J"`}, []string{"more"}},
		{80, 20, []string{"SERVICE", "STATE", "ERRORS/S", "P99", "kv-srv"}, []string{"VERSION"}},
		{30, 20, []string{"SERVICE", "kv-srv", "STATE", "away"}, []string{"ADDRESS", "P99"}},
		{80, 5, []string{"SERVICE", "... and 3 more"}, []string{"kv-srv"}},
		{0, 0, []string{"P99"}, nil}, // cannot be told: 80 by 24
		{1, 1, nil, nil},
	} {
		c := c.onTerminal()
		c.stdoutSize = func() (int, int) { return tt.width, tt.height }
		r := c.run("top", "--count", "2")
		c.want(r, 0, enter, "")
		if strings.Contains(strings.Join(tt.want, " "), "away") && !strings.Contains(r.out, red+"away"+plain) {
			t.Errorf("got %q, want it red", r.out)
		}
		all := frames(t, r.out)
		if len(all) != 2 {
			t.Errorf("got %d tables, want 2", len(all))
		}
		if strings.Contains(r.out, "\x1b[2J") {
			t.Error("what a service is called clears the screen")
		}
		for _, f := range all {
			for _, want := range tt.want {
				if !strings.Contains(f, want) {
					t.Errorf("%d by %d: got %s\nwant %q", tt.width, tt.height, f, want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(f, not) {
					t.Errorf("%d by %d: got %s\nnot %q", tt.width, tt.height, f, not)
				}
			}
			lines := strings.Split(f, "\r\n")
			if tt.height > 0 && len(lines) > tt.height {
				t.Errorf("got %d lines, want %d at most", len(lines), tt.height)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); tt.width > 0 && n > tt.width {
					t.Errorf("got %d columns, want %d at most: %s", n, tt.width, l)
				}
			}
		}
	}
}

// TestTopInterrupted leaves the terminal as it was, and looks as its user wants it to.
func TestTopInterrupted(t *testing.T) {
	c := newCommand(t).onTerminal()
	c.getenv = func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }
	out, _, stop := c.start("top")
	text := out.await("SERVICE") + "\n" + out.await("echo-srv")
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for line := range out.next {
		text += "\n" + line
	}
	if !strings.HasSuffix(text, leave) || strings.Contains(text, "m") && regexp.MustCompile("\x1b\\[[0-9]+m").MatchString(text) {
		t.Errorf("got %q", text)
	}
}

// TestTopNothing says what to do.
func TestTopNothing(t *testing.T) {
	c := alone(t)
	c.want(c.run("top", "--count", "1"), 0, `"instances":[]}`, "")
	c = alone(t).onTerminal()
	c.want(c.run("top", "--count", "1"), 0, "is that of one process", "")
}
