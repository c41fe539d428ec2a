package abuse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/micro/platform/internal/host"
)

// keeper is a service that has a data folder.
func keeper() host.Service {
	return host.Service{Name: "keeper-srv", Port: 0, Start: func(_ context.Context, h *host.Host) error {
		_, err := h.DataDir()
		return err
	}}
}

// binaries holds what the tests build, until TestMain removes it.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "abuse") })

// kvsrv is the binary that people deploy.
var kvsrv = sync.OnceValues(func() (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kv-srv")
	if out, err := exec.Command("go", "build", "-o", path, "../../kv-srv").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kv-srv: %w\n%s", err, out)
	}
	return path, nil
})

func built(t testing.TB) string {
	t.Helper()
	path, err := kvsrv()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A process is a service in a process of its own.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer // once it has ended
	stderr output
	ended  chan error
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// begin starts a binary with these settings alone. It is killed with the test.
func begin(t testing.TB, path string, env map[string]string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), path, args...), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = []string{"HOME=" + p.cmd.Dir}
	all := map[string]string{"KV_ADDRESS": "127.0.0.1:0", "ECHO_ADDRESS": "127.0.0.1:0", "KEEPER_ADDRESS": "127.0.0.1:0", "PLATFORM_REGISTRY": "memory:"}
	maps.Copy(all, env)
	for name, value := range all {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // ended already, mostly
	return p
}

// again is this binary as one of the services of TestMain.
func again(t testing.TB, service string, env map[string]string) *process {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"ABUSE_SERVICE": service}
	maps.Copy(all, env)
	return begin(t, path, all)
}

// exit waits for the end and returns the exit code; -1 is a signal.
func (p *process) exit(t testing.TB, within time.Duration) int {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case err := <-p.ended:
		p.ended <- err
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-late.C:
		t.Errorf("the process goes on after %v", within)
		_ = p.cmd.Process.Kill() // it may end meanwhile
		p.ended <- <-p.ended
		return p.cmd.ProcessState.ExitCode()
	}
}

// address waits until the service listens.
func (p *process) address(t testing.TB) string {
	t.Helper()
	var found string
	await(t, "the service to listen", func() string {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				found = entry.Address
				return ""
			}
		}
		return "it says " + p.stderr.String()
	})
	if found == "" {
		t.FailNow()
	}
	return found
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
