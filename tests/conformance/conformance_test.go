// Package conformance_test has the port judged from outside: by the Connect project's
// conformance suite, with the clients of connect-go and grpc-go that are in it.
//
// The server under test is a program of its own, as the suite wants it.
package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// least is how many cases conformance.yaml asks for. A file that asks for fewer is wrong.
const least = 3028

func TestConformance(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("INTEROP=1 runs this; it downloads and builds the suite")
	}
	runner := buildRunner(t)
	t.Run("first", func(t *testing.T) { play(t, runner, buildServer(t)) })
	t.Run("second", func(t *testing.T) { play(t, runner, buildServer(t)) })
	t.Run("race", func(t *testing.T) {
		if strings.TrimSpace(output(t, "go", "env", "CGO_ENABLED")) != "1" {
			t.Skip("no C compiler: the race detector needs one")
		}
		play(t, runner, buildServer(t, "-race"))
	})
}

// play runs the suite.
func play(t *testing.T, runner, server string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var out, logs bytes.Buffer
	cmd := exec.CommandContext(ctx, runner, "--mode", "server", "-v", "--trace", "--conf", "conformance.yaml", "--", server)
	cmd.Env = []string{"TMPDIR=" + t.TempDir()}
	cmd.Stdout, cmd.Stderr = &out, &logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its servers
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v", filepath.Base(runner), err)
	}
	servers := report(t, out.String())
	if stopped := inspect(t, logs.String()); stopped != servers {
		t.Errorf("%d of %d servers stopped as they should", stopped, servers)
	}
}

// report says what the suite has found, and returns how many servers it has tested.
func report(t *testing.T, said string) (servers int) {
	t.Helper()
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "Running ") {
			t.Log(strings.TrimSpace(line))
			servers++
		}
	}
	found := regexp.MustCompile(`Total cases: (\d+)\n(\d+) passed, \d+ failed\n$`).FindStringSubmatch(said)
	if found == nil { // such as cases that could not be run
		t.Errorf("no verdict:\n%s", said)
		return servers
	}
	total, passed := number(t, found[1]), number(t, found[2])
	t.Logf("%d of %d cases passed", passed, total)
	if total < least {
		t.Errorf("%d cases ran, want %d at least", total, least)
	}
	if at := strings.Index(said, "FAILED: "); at >= 0 || passed != total {
		t.Error(said[max(at, 0):])
	}
	return servers
}

// inspect returns how many servers say that they have stopped. They may tell of calls
// that fail, for the suite asks for some, and of nothing else: no race, no panic.
func inspect(t *testing.T, logs string) (stopped int) {
	t.Helper()
	var odd strings.Builder
	for line := range strings.Lines(logs) {
		var entry struct{ Msg string }
		switch err := json.Unmarshal([]byte(line), &entry); {
		case line == "stopped\n":
			stopped++
		case err != nil || entry.Msg != "call":
			odd.WriteString(line)
		}
	}
	if odd.Len() > 0 {
		t.Errorf("the servers say:\n%s", odd.String())
	}
	return stopped
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
