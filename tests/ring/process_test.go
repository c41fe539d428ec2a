package ring_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patient is how long what should happen within seconds may take.
const patient = 60 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir) // below the system's folder of temporary files
	}
	os.Exit(code)
}

// binaries holds what the tests build, until TestMain removes it.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "ring") })

// kvsrv is the binary that people deploy, with the race detector if this one has it.
var kvsrv = sync.OnceValues(func() (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kv-srv")
	args := []string{"build", "-o", path, "../../kv-srv"}
	if raceDetector() {
		args = slices.Insert(args, 1, "-race")
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kv-srv: %w\n%s", err, out)
	}
	return path, nil
})

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A process is a kv-srv that can be ended, stopped and started again, as the same node of
// its ring. One goroutine uses it.
type process struct {
	t       testing.TB
	address string   // of its service
	command []string // before and with its binary
	env     []string
	log     string // file with what all its lives wrote

	cmd     *exec.Cmd // of its last life
	expect  bool      // that it ends
	ended   chan struct{}
	began   time.Time
	running bool
	stopped bool
}

// start begins a life, and returns at once.
func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Dir, p.cmd.Env = filepath.Dir(p.log), p.env
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended, p.expect, p.running, p.stopped = make(chan struct{}), false, true, false
	go func(cmd *exec.Cmd, ended chan<- struct{}) {
		defer close(ended)
		_ = cmd.Wait() // wait looks at its state
	}(p.cmd, p.ended)
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	p.expect = true
	p.signal(syscall.SIGKILL)
	<-p.ended
	p.running = false
}

// leave ends the process as an operator does, and returns how long that took.
func (p *process) leave() time.Duration {
	p.t.Helper()
	p.expect = true
	begin := time.Now()
	p.signal(syscall.SIGTERM)
	late := time.NewTimer(patient)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.t.Fatalf("%s goes on %v after SIGTERM", p.address, patient)
	}
	p.running = false
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("%s ended with code %d after SIGTERM", p.address, code)
	}
	return time.Since(begin)
}

// stop keeps the process from doing anything until it goes on.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	p.stopped = true
}

func (p *process) goOn() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
	p.stopped = false
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v to %s: %v", s, p.address, err)
	}
}

// end is for the end of the test: it looks at what the process has left.
func (p *process) end() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	select {
	case <-p.ended:
		if !p.expect {
			p.t.Errorf("%s ended by itself: %v", p.address, p.cmd.ProcessState)
		}
	default:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	log, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Error(err)
	}
	for _, bad := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if i := bytes.Index(log, []byte(bad)); i >= 0 {
			p.t.Errorf("%s wrote:\n%s", p.address, log[i:min(len(log), i+4<<10)])
		}
	}
	if p.t.Failed() {
		p.t.Logf("%s wrote at last:\n%s", p.address, tail(log, 40))
	}
}

// tail returns the last lines that a logger wrote.
func tail(log []byte, lines int) string {
	var all []string
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "{") {
			all = append(all, line)
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// ready tells whether the process says that it can be called.
func (p *process) ready() error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	rsp, err := client.Get("http://" + p.address + "/readyz")
	if err != nil {
		return err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return errors.New(rsp.Status)
	}
	return nil
}

// await waits for what happens in other processes, until what returns "", and returns how
// long that took. What else it returns says what there is instead.
func await(t testing.TB, name string, what func() string) time.Duration {
	t.Helper()
	begin := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		instead := what()
		if instead == "" {
			return time.Since(begin)
		}
		if <-ticker.C; time.Since(begin) > patient {
			t.Fatalf("%s: not within %v: %s", name, patient, instead)
		}
	}
}
