// Package readme tests that README.md tells the truth: its console blocks are run, as
// a newcomer would.
package readme_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type command struct{ line, output string }

func TestReadme(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("takes port 8106 and multicast DNS of this machine: make test-interop")
	}
	all := commands(t)
	if len(all) < 5 || all[0].line != "make run" {
		t.Fatalf("README.md begins with %v, want make run and more", all)
	}
	serve(t, all[0])
	var script strings.Builder
	for i, c := range all[1:] {
		fmt.Fprintf(&script, "echo '%s'%d\n%s\n", mark, i, c.line)
	}
	shell := exec.CommandContext(t.Context(), "sh")
	shell.Dir, shell.Stdin = "../..", strings.NewReader(script.String())
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Logf("the last command: %v", err) // it may be one that fails
	}
	parts := strings.Split(string(out), mark)[1:]
	if len(parts) != len(all)-1 {
		t.Fatalf("%d of %d commands ran:\n%s", len(parts), len(all)-1, out)
	}
	for i, part := range parts {
		_, got, _ := strings.Cut(part, "\n")
		want := all[i+1]
		// Of what says nothing in README.md, nothing is promised. A terminal would get the last newline, a pipe gets what is stored.
		if diff := cmp.Diff(want.output, strings.TrimRight(got, "\n")+"\n"); want.output != "" && diff != "" {
			t.Errorf("%s (-README +got):\n%s", want.line, diff)
		}
	}
}

const mark = "@@@ "

// commands reads the console blocks of README.md.
func commands(t *testing.T) []command {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []command
	inside := false
	for line := range strings.Lines(string(b)) {
		switch c, ok := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == "```console"
		case inside && ok:
			all = append(all, command{line: strings.TrimSpace(c)})
		case inside && len(all) > 0:
			all[len(all)-1].output += line
		}
	}
	return all
}

// serve runs make run until the test ends, and waits for what it says.
func serve(t *testing.T, c command) {
	t.Helper()
	run := exec.Command("sh", "-c", c.line)
	run.Dir = "../.."
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-run.Process.Pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = run.Wait() // make fails when it is told to stop
	})
	said := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		for lines := bufio.NewScanner(out); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(all.String(), c.output) {
				said <- all.String()
				return
			}
		}
		said <- all.String()
	}()
	select {
	case got := <-said:
		if !strings.Contains(got, c.output) {
			t.Fatalf("make run says %q, README.md says %q", got, c.output)
		}
	case <-time.After(3 * time.Minute): // it builds first
		t.Fatal("make run says nothing")
	}
}
