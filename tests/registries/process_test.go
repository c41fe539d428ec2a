package registries_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patient is how long what should happen within seconds may take.
const patient = 60 * time.Second

// binary is the command, built, with a registry of its own.
type binary struct {
	t        *testing.T
	path     string
	registry string
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "platform")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/micro/platform/cmd/platform").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

func (b binary) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.t.Context(), b.path, args...)
	cmd.Dir = b.t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "KV_ADDRESS=127.0.0.1:0", "PLATFORM_REGISTRY=" + b.registry}
	return cmd
}

// run runs a command line that must succeed, and returns what it says.
func (b binary) run(args ...string) string {
	b.t.Helper()
	out, err := b.command(args...).Output()
	if err != nil {
		b.t.Fatalf("platform %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// service is a kv-srv that runs.
type service struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	log     *output
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

// serve starts kv-srv and returns once it answers. It ends with the test.
func (b binary) serve() *service {
	b.t.Helper()
	s := &service{t: b.t, cmd: b.command("--output", "json", "serve", "kv"), log: &output{}}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _, _ = s.cmd.Process.Kill(), s.cmd.Wait() }) // ended already, mostly
	var started []struct{ Address string }
	if err := json.NewDecoder(out).Decode(&started); err != nil || len(started) != 1 {
		b.t.Fatalf("serve: %v, %v\n%s", started, err, s.log)
	}
	s.address = started[0].Address
	return s
}

// end signals the process and waits for its end.
func (s *service) end(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); signal == syscall.SIGTERM && err != nil {
		s.t.Errorf("after SIGTERM: %v\n%s", err, s.log)
	}
}

// readyz returns its status and answer.
func (s *service) readyz() string {
	s.t.Helper()
	rsp, err := http.Get("http://" + s.address + "/readyz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(rsp.StatusCode, " ", string(b))
}

// await waits for what happens in other processes, and returns how long.
func await(t *testing.T, what string, yes func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		if <-ticker.C; time.Since(begun) > patient {
			t.Fatalf("%s: not within %v", what, patient)
		}
	}
	t.Logf("%s: after %v", what, time.Since(begun).Round(100*time.Millisecond))
	return time.Since(begun)
}
