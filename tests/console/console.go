// Package console runs the console blocks of a document, as its reader would.
package console

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A Command is a line behind "$ ", and the lines under it.
type Command struct{ Line, Output string }

// Read returns the commands of all console blocks of a file.
func Read(t *testing.T, file string) []Command {
	t.Helper()
	return read(t, file, "```console")
}

// Marked returns the commands of the console blocks that have a mark, which Read leaves
// out: they need more than others.
func Marked(t *testing.T, file, mark string) []Command {
	t.Helper()
	return read(t, file, "```console "+mark)
}

func read(t *testing.T, file, begin string) []Command {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []Command
	inside := false
	for line := range strings.Lines(string(b)) {
		switch c, ok := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == begin
		case inside && ok:
			all = append(all, Command{Line: strings.TrimSpace(c)})
		case inside && len(all) > 0:
			all[len(all)-1].Output += line
		}
	}
	return all
}

const mark = "@@@ "

// Run runs commands in one shell, checks that each says what it should, and returns
// what all of them said. env is added to that of this process.
func Run(t *testing.T, dir string, env []string, commands []Command) (said string) {
	t.Helper()
	var script strings.Builder
	for i, c := range commands {
		fmt.Fprintf(&script, "echo '%s'%d\n%s\n", mark, i, c.Line)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	shell.Dir, shell.Env = dir, append(os.Environ(), env...)
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Logf("the last command: %v", err) // it may be one that fails
	}
	parts := strings.Split(string(out), mark)[1:]
	if len(parts) != len(commands) {
		t.Fatalf("%d of %d commands ran:\n%s", len(parts), len(commands), out)
	}
	for i, part := range parts {
		_, got, _ := strings.Cut(part, "\n")
		said += got
		want := commands[i]
		// Of what says nothing in the document, nothing is promised. A terminal would get the last newline, a pipe gets what is stored.
		if diff := cmp.Diff(want.Output, strings.TrimRight(got, "\n")+"\n"); want.Output != "" && diff != "" {
			t.Errorf("%s (-document +got):\n%s", want.Line, diff)
		}
	}
	if t.Failed() {
		t.Logf("all commands said:\n%s", out)
	}
	return said
}
