package host_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// patience is for what should take no time at all.
const patience = 20 * time.Second

// log is what a process writes.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is one whose services listen on free ports, with these settings.
func process(t *testing.T, env map[string]string) host.Process {
	t.Helper()
	data := t.TempDir()
	return host.Process{
		Stderr: &log{},
		Getenv: func(name string) string {
			switch value, ok := env[name]; {
			case ok:
				return value
			case name == "PLATFORM_REGISTRY":
				return "memory:"
			case name == "PLATFORM_DATA":
				return data
			case strings.HasSuffix(name, "_ADDRESS"):
				return "127.0.0.1:0"
			}
			return ""
		},
	}
}

// runs is a host that a test stops.
type runs struct {
	t       *testing.T
	stop    context.CancelFunc
	done    chan error
	address map[string]string
}

func run(t *testing.T, p host.Process, services ...host.Service) *runs {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(stop)
	r := &runs{t: t, stop: stop, done: make(chan error, 1), address: map[string]string{}}
	started := make(chan []host.Running, 1)
	p.Started = func(all []host.Running) { started <- all }
	go func() { r.done <- host.Run(ctx, p, services...) }()
	select {
	case all := <-started:
		for _, s := range all {
			r.address[s.Name] = s.Address
		}
	case err := <-r.done:
		t.Fatalf("run: %v", err)
	case <-time.After(patience):
		t.Fatal("it does not start")
	}
	return r
}

// end waits until the host has stopped.
func (r *runs) end() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(patience):
		r.t.Fatal("it does not end")
		panic("unreachable")
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp.StatusCode, string(b)
}

// service is one that does no more than start.
func service(name string, start func(context.Context, *host.Host) error) host.Service {
	return host.Service{Name: name, Start: start}
}

func nothing(context.Context, *host.Host) error { return nil }

// asking is echo-srv that asks another one.
type asking struct {
	echo.Handler

	other echopb.EchoService
}

func (a *asking) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	got, err := a.other.Call(ctx, req)
	rsp.Text = "asked: " + got.GetText()
	return err
}

// TestNeighbours: services of one process find each other as those of many do.
func TestNeighbours(t *testing.T) {
	p := hosttest.Run(t, nil, // the order is no matter
		service("one-srv", func(_ context.Context, h *host.Host) error {
			return echopb.RegisterEchoHandler(h.Server(), &asking{other: echopb.NewEchoService("echo-srv", h.Client())})
		}),
		echo.Service(&echo.Handler{}),
		service("two-srv", func(_ context.Context, h *host.Host) error {
			return echopb.RegisterEchoHandler(h.Server(), &asking{other: echopb.NewEchoService("one-srv", h.Client())})
		}))
	for name, want := range map[string]string{"echo-srv": "hi", "one-srv": "asked: hi", "two-srv": "asked: asked: hi"} {
		if got, err := echopb.NewEchoService(name, p.Client).Call(t.Context(), &echopb.CallRequest{Text: "hi"}); err != nil || got.GetText() != want {
			t.Errorf("%s: got %v, %v, want %q", name, got, err, want)
		}
	}
}

// away is a registry that nobody can reach.
type away struct{ registry.Registry }

func (away) Register(*registry.Service, ...registry.RegisterOption) error { return errors.New("away") }

// TestRegistryAway: a service whose registry is away serves those who know its address.
func TestRegistryAway(t *testing.T) {
	p := process(t, nil)
	p.Registry = away{registry.NewMemoryRegistry()}
	r := run(t, p, echo.Service(&echo.Handler{}))
	conn, err := grpc.NewClient(r.address["echo-srv"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out := new(echopb.CallResponse)
	if err := conn.Invoke(t.Context(), "/micro.test.v1.Echo/Call", &echopb.CallRequest{Text: "hi"}, out); err != nil || out.GetText() != "hi" {
		t.Errorf("got %v, %v", out, err)
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if out := p.Stderr.(*log).String(); !strings.Contains(out, "away") || !strings.Contains(out, `"level":"ERROR"`) {
		t.Errorf("nobody is told: %s", out)
	}
}

// TestOpen: a host that somebody else starts and stops.
func TestOpen(t *testing.T) {
	p := process(t, nil)
	p.Registry = registry.NewMemoryRegistry()
	h, err := host.Open(t.Context(), p, host.Service{Name: "greeter"})
	if err != nil {
		t.Fatal(err)
	}
	var stopped bool
	h.OnStop(func(context.Context) error { stopped = true; return nil })
	if got, err := p.Registry.ListServices(); err != nil || len(got) > 0 {
		t.Errorf("before the start: got %v, %v", got, err)
	}
	if err := h.Server().Start(); err != nil {
		t.Fatal(err)
	}
	got, err := p.Registry.GetService("greeter")
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, "http://"+got[0].Nodes[0].Address+"/readyz"); code != http.StatusOK {
		t.Errorf("got %d", code)
	}
	if err := errors.Join(h.Server().Stop(), h.Close()); err != nil || !stopped {
		t.Errorf("got error %v, stopped %v", err, stopped)
	}
	p.Getenv = func(name string) string { return map[string]string{"PLATFORM_SLOW": "soon"}[name] }
	if _, err := host.Open(t.Context(), p, host.Service{Name: "greeter"}); err == nil || !strings.HasPrefix(err.Error(), "PLATFORM_SLOW: ") {
		t.Errorf("got error %v", err)
	}
}
