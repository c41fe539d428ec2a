package discovery_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/micro/platform"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// patient is how long what should happen within seconds may take.
const patient = 60 * time.Second

// lifeVar has this binary be a process of a test.
const lifeVar = "DISCOVERY_TEST_LIFE"

func TestMain(m *testing.M) {
	switch life := os.Getenv(lifeVar); life {
	case "":
		os.Exit(m.Run())
	case "discovery-srv":
		os.Args = os.Args[:1] // Main has words of its own
		host.Main(discoveryserver.Service())
	case "app":
		end(app())
	case "crowd":
		end(crowd())
	}
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// app is a go-micro service as an application has it.
func app() error {
	service, err := platform.New("echo-srv")
	if err != nil {
		return err
	}
	if err := echopb.RegisterEchoHandler(service.Server(), &echo.Handler{}); err != nil {
		return err
	}
	return service.Run()
}

// process is one that can be ended and started again.
type process struct {
	t     *testing.T
	path  string
	args  []string
	env   []string
	log   string
	cmd   *exec.Cmd
	ended chan struct{}
}

// begin starts this binary as one of the processes of TestMain, until the test ends.
func begin(t *testing.T, life string, settings ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, path: os.Args[0], log: filepath.Join(dir, "log")}
	p.env = append(os.Environ(), lifeVar+"="+life, "PLATFORM_DATA="+dir)
	p.env = append(p.env, settings...)
	p.begin()
	return p
}

// begin starts the process until the test ends.
func (p *process) begin() {
	p.t.Helper()
	p.start()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			b, _ := os.ReadFile(p.log)
			p.t.Logf("%s:\n%s", p.log, b[max(0, len(b)-4000):])
		}
	})
}

func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, log, log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan<- struct{}) { // ends with the process, which the test ends
		_ = cmd.Wait()
		close(ended)
	}(p.cmd, p.ended)
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop has the process do nothing more, as if its machine were suspended.
func (p *process) stop() { p.signal(syscall.SIGSTOP) }

// resume ends that.
func (p *process) resume() { p.signal(syscall.SIGCONT) }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// leave ends the process as an operator does.
func (p *process) leave() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	late := time.NewTimer(patient)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.t.Fatalf("it goes on %v after SIGTERM", patient)
	}
	if b, err := os.ReadFile(p.log); err != nil || bytes.Contains(b, []byte("WARNING: DATA RACE")) {
		p.t.Errorf("%v\n%s", err, b)
	}
}

// free returns an address on loopback that nobody has now.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
