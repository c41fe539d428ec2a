package fleet_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/tests/echo"
)

// serve has this test run echo-srv instead of its tests.
const serve = "FLEET_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serve) != "" {
		host.Main(echo.Service(&echo.Handler{}))
	}
	os.Exit(m.Run())
}

// process is an echo-srv in a process of its own.
type process struct {
	*exec.Cmd
	t       *testing.T
	address string
}

// begin starts one and waits until it listens.
func begin(t *testing.T, address string) process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{serve + "=1", "ECHO_ADDRESS=" + address, "PLATFORM_REGISTRY=memory:", "PLATFORM_DATA=" + t.TempDir()}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "listening" {
			return process{cmd, t, line.Address}
		}
	}
	t.Fatal("the process does not listen")
	return process{}
}

func (p process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end sends a signal and waits for the end.
func (p process) end(s os.Signal) {
	p.t.Helper()
	p.signal(s)
	_ = p.Wait() // killed
}

// run runs a fleet that somebody watches, until the test ends.
func run(t *testing.T, f *fleet.Fleet) <-chan struct{} {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	changed, release := f.Watch()
	t.Cleanup(func() {
		release()
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return changed
}

// await waits until it is as it should, and logs how long that took.
func await(t *testing.T, changed <-chan struct{}, what string, is func() bool) {
	t.Helper()
	awaitFor(t, patient, changed, what, is)
}

func awaitFor(t *testing.T, patient time.Duration, changed <-chan struct{}, what string, is func() bool) {
	t.Helper()
	begun, late := time.Now(), time.After(patient)
	for !is() {
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited for: %s", what)
		}
	}
	t.Logf("%s after %s", what, time.Since(begun).Round(time.Millisecond))
}

// awaitStates waits for the state of each address.
func awaitStates(t *testing.T, f *fleet.Fleet, changed <-chan struct{}, want map[string]string) {
	t.Helper()
	var got map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("got %v", got)
		}
	}()
	await(t, changed, "want "+text(want), func() bool {
		got = states(f)
		return text(got) == text(want)
	})
}

func text(states map[string]string) string {
	b, _ := json.Marshal(states)
	return string(b)
}

// TestKilled sees a process that is killed, stands still, and comes back, while the
// registry has it.
func TestKilled(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// Other tests have services, whose clients are go-micro's.
		goleak.VerifyNone(t, hosttest.Leftovers(leaks)...)
	})
	p, other := begin(t, "127.0.0.1:0"), begin(t, "127.0.0.1:0")
	reg := registry.NewMemoryRegistry()
	f := fleet.New(fleet.Config{Registry: reg, Log: quiet()})
	changed := run(t, f)

	register(t, reg, "echo-srv", "a", p.address)
	register(t, reg, "echo-srv", "b", other.address)
	a, b := "echo-srv "+p.address, "echo-srv "+other.address
	awaitStates(t, f, changed, map[string]string{a: "ready", b: "ready"})
	p.end(syscall.SIGKILL)
	awaitStates(t, f, changed, map[string]string{a: "away connection refused", b: "ready"})
	other.signal(syscall.SIGSTOP)
	awaitStates(t, f, changed, map[string]string{a: "away connection refused", b: "away no answer within 1s"})
	other.signal(syscall.SIGCONT)
	awaitStates(t, f, changed, map[string]string{a: "away connection refused", b: "ready"})
	p = begin(t, p.address)
	awaitStates(t, f, changed, map[string]string{a: "ready", b: "ready"})
	if got := f.Services()[0].Instances; got[0].Started.IsZero() || got[1].Started.IsZero() {
		t.Errorf("got %+v, want when they were started", got)
	}
	p.end(syscall.SIGKILL)
	other.end(syscall.SIGKILL)
}

// TestLeft hears at once of who is new, and of who has left by themselves.
func TestLeft(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		reg := registry.NewMemoryRegistry()
		comesAndLeaves(t, reg, reg, patient)
	})
	t.Run("mdns", func(t *testing.T) { // where a word may get lost
		comesAndLeaves(t, multicast(t), multicast(t), 2*time.Minute)
	})
}

// multicast is the registry over mDNS, as that of another process.
func multicast(t *testing.T) registry.Registry {
	t.Helper()
	r, err := registries.Open(t.Context(), registries.Read(setting.New(func(string) string { return "" }, registries.Settings())), nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// comesAndLeaves gives a service less time to be forgotten than one that was killed has,
// unless words get lost.
func comesAndLeaves(t *testing.T, ours, theirs registry.Registry, patient time.Duration) {
	t.Helper()
	f := fleet.New(fleet.Config{Registry: ours, Log: quiet()})
	changed := run(t, f)
	await(t, changed, "the first look", func() bool { return f.Look(t.Context()) == nil })

	ctx, stop := context.WithCancel(t.Context())
	done, started := make(chan error, 1), make(chan []host.Running, 1)
	go func() {
		done <- host.Run(ctx, host.Process{
			Getenv: getenv(t), Stderr: &log{}, Registry: theirs, Started: func(all []host.Running) { started <- all },
		}, echo.Service(&echo.Handler{}))
	}()
	at := "echo-srv " + (<-started)[0].Address
	await(t, changed, "it is there", func() bool { return states(f)[at] == "ready" })
	await(t, changed, "it has a history", func() bool { return f.History("echo-srv") != nil })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	awaitFor(t, patient, changed, "it is gone", func() bool { return states(f)[at] == "" })
}
