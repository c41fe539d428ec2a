// Package readme tests that README.md tells the truth: its console blocks are run, as
// a newcomer would.
package readme_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/micro/platform/tests/console"
)

func TestReadme(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("takes port 8106 and multicast DNS of this machine: make test-interop")
	}
	all := console.Read(t, "../../README.md")
	if len(all) < 5 || all[0].Line != "make run" {
		t.Fatalf("README.md begins with %v, want make run and more", all)
	}
	serve(t, all[0])
	console.Run(t, "../..", nil, all[1:])
}

// serve runs make run until the test ends, and waits for what it says.
func serve(t *testing.T, c console.Command) {
	t.Helper()
	run := exec.Command("sh", "-c", c.Line)
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
			if strings.Contains(all.String(), c.Output) {
				said <- all.String()
				return
			}
		}
		said <- all.String()
	}()
	select {
	case got := <-said:
		if !strings.Contains(got, c.Output) {
			t.Fatalf("make run says %q, README.md says %q", got, c.Output)
		}
	case <-time.After(3 * time.Minute): // it builds first
		t.Fatal("make run says nothing")
	}
}
