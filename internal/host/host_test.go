package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/micro/platform/internal/datadir"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/setting"
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

// TestOrder: first nobody can call, then work ends, then what was opened is closed, the
// last first.
func TestOrder(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	var dir string
	var r *runs
	closed := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			note(what)
			if ctx.Err() != nil {
				t.Errorf("%s: the context is over: %v", what, ctx.Err())
			}
			if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.address["one-srv"]); err == nil {
				_ = c.Close()
				t.Errorf("%s: the service can be called", what)
			}
			if d, err := datadir.Open(dir); err == nil {
				_ = d.Close()
				t.Errorf("%s: the data folder is free", what)
			}
			return nil
		}
	}
	r = run(t, process(t, nil), service("one-srv", func(_ context.Context, h *host.Host) error {
		note("start")
		var err error
		if dir, err = h.DataDir(); err != nil {
			return err
		}
		h.OnStop(closed("first opened"))
		h.OnStop(closed("last opened"))
		h.Go(func(ctx context.Context) error {
			<-ctx.Done()
			note("work")
			return ctx.Err()
		})
		return nil
	}))
	if filepath.Base(dir) != "one-srv" {
		t.Errorf("got folder %s", dir)
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"start", "work", "last opened", "first opened"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d, err := datadir.Open(dir)
	if err != nil {
		t.Errorf("after the end: %v", err)
	} else if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestGo: work that fails ends all services, and says which.
func TestGo(t *testing.T) {
	release := make(chan struct{})
	var other bool
	r := run(t, process(t, nil),
		service("one-srv", func(_ context.Context, h *host.Host) error {
			h.Go(func(context.Context) error { return nil }) // which is no reason to end
			h.Go(func(context.Context) error {
				<-release
				return errors.New("the store is gone")
			})
			return nil
		}),
		service("two-srv", func(_ context.Context, h *host.Host) error {
			h.OnStop(func(context.Context) error { other = true; return nil })
			return nil
		}))
	if code, _ := get(t, "http://"+r.address["one-srv"]+"/healthz"); code != http.StatusOK {
		t.Errorf("while it works: got %d", code)
	}
	close(release)
	err := r.end()
	if err == nil || err.Error() != "one-srv: the store is gone" {
		t.Errorf("got error %v", err)
	}
	if !other {
		t.Error("the other service was not stopped")
	}
	var out bytes.Buffer
	if got := host.ExitCode(&out, err); got != host.ExitFailure || out.String() != "error: one-srv: the store is gone\n" {
		t.Errorf("got exit code %d, %q", got, out.String())
	}
}

// TestGoLate: work that fails when it is told to end is not silent about it.
func TestGoLate(t *testing.T) {
	r := run(t, process(t, nil), service("one-srv", func(_ context.Context, h *host.Host) error {
		h.Go(func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("flush: disk full")
		})
		return nil
	}), service("two-srv", nothing))
	r.stop()
	if err := r.end(); err == nil || err.Error() != "one-srv: flush: disk full" {
		t.Errorf("got error %v", err)
	}
}

func TestStopFails(t *testing.T) {
	gone := errors.New("the store is gone")
	r := run(t, process(t, nil), service("one-srv", func(_ context.Context, h *host.Host) error {
		h.OnStop(func(context.Context) error { return fmt.Errorf("close: %w", gone) })
		h.OnStop(func(context.Context) error { return errors.New("flush: disk full") })
		return nil
	}), service("two-srv", nothing))
	r.stop()
	if err := r.end(); !errors.Is(err, gone) || err.Error() != "stop one-srv: flush: disk full\nclose: the store is gone" {
		t.Errorf("got error %v", err)
	}
}

// TestStartFails: what the service has opened is closed, and so are those before it.
func TestStartFails(t *testing.T) {
	closed := make(chan string, 10)
	open := func(h *host.Host) {
		h.OnStop(func(context.Context) error { closed <- h.Name; return nil })
	}
	never := service("three-srv", func(context.Context, *host.Host) error { t.Error("the third starts"); return nil })
	err := host.Run(t.Context(), process(t, nil),
		service("one-srv", func(_ context.Context, h *host.Host) error { open(h); return nil }),
		service("two-srv", func(_ context.Context, h *host.Host) error { open(h); return errors.New("no license") }), never)
	if err == nil || err.Error() != "start two-srv: no license" {
		t.Errorf("got error %v", err)
	}
	stopped := []string{<-closed, <-closed}
	slices.Sort(stopped)
	if diff := cmp.Diff([]string{"one-srv", "two-srv"}, stopped); diff != "" {
		t.Errorf("stopped (-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	if got := host.ExitCode(&out, err); got != host.ExitFailure {
		t.Errorf("got exit code %d", got)
	}
}

func TestReady(t *testing.T) {
	var mu sync.Mutex
	missing := map[string]error{}
	say := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		missing[name] = err
	}
	p := hosttest.Run(t, nil, service("one-srv", func(_ context.Context, h *host.Host) error {
		for _, name := range []string{"store", "peers"} {
			h.Ready(name, func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				return missing[name]
			})
		}
		return nil
	}))
	conn, err := grpc.NewClient(p.Address("one-srv"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	type answer struct {
		Status  string
		Waiting map[string]string
	}
	expect := func(code int, want answer) {
		t.Helper()
		status, body := get(t, "http://"+p.Address("one-srv")+"/readyz")
		var got answer
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("got %s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" || status != code {
			t.Errorf("got %d, want %d (-want +got):\n%s", status, code, diff)
		}
		serving := healthpb.HealthCheckResponse_SERVING
		if code != http.StatusOK {
			serving = healthpb.HealthCheckResponse_NOT_SERVING
		}
		if got, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || got.GetStatus() != serving {
			t.Errorf("health: got %v, %v, want %v", got, err, serving)
		}
		if code, _ := get(t, "http://"+p.Address("one-srv")+"/healthz"); code != http.StatusOK {
			t.Errorf("/healthz: got %d: it lives, whatever it waits for", code)
		}
	}
	expect(http.StatusOK, answer{Status: "ready"})
	say("store", errors.New("redis 10.0.0.1: connection refused"))
	expect(http.StatusServiceUnavailable, answer{"waiting", map[string]string{"store": "redis 10.0.0.1: connection refused"}})
	say("peers", errors.New("one of three"))
	expect(http.StatusServiceUnavailable, answer{"waiting", map[string]string{"store": "redis 10.0.0.1: connection refused", "peers": "one of three"}})
	say("store", nil)
	say("peers", nil)
	expect(http.StatusOK, answer{Status: "ready"})
}

// TestReadySlow: a check that hangs is over after a second.
func TestReadySlow(t *testing.T) {
	p := hosttest.Run(t, nil, service("one-srv", func(_ context.Context, h *host.Host) error {
		h.Ready("store", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		return nil
	}))
	begin := time.Now()
	if code, body := get(t, "http://"+p.Address("one-srv")+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "deadline exceeded") {
		t.Errorf("got %d %s", code, body)
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

// leaving is a registry that a service can leave when a test says so.
type leaving struct {
	registry.Registry

	asked, may chan struct{}
}

func (l *leaving) Deregister(s *registry.Service, opts ...registry.DeregisterOption) error {
	close(l.asked)
	<-l.may
	return l.Registry.Deregister(s, opts...)
}

// TestReadyOff: a service that stops is not ready before it is out of the registry.
func TestReadyOff(t *testing.T) {
	p := process(t, nil)
	l := &leaving{registry.NewMemoryRegistry(), make(chan struct{}), make(chan struct{})}
	p.Registry = l
	r := run(t, p, service("one-srv", nothing))
	r.stop()
	<-l.asked
	if code, body := get(t, "http://"+r.address["one-srv"]+"/readyz"); code != http.StatusServiceUnavailable || body != `{"status":"waiting","waiting":{"stop":"stopping"}}`+"\n" {
		t.Errorf("got %d %s", code, body)
	}
	close(l.may)
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

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

// TestObserved: log and metrics of a service tell of its calls.
func TestObserved(t *testing.T) {
	p := process(t, map[string]string{"PLATFORM_LOG": "debug"})
	r := run(t, p, echo.Service(&echo.Handler{}))
	url := "http://" + r.address["echo-srv"]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/Echo/Call", strings.NewReader(`{"text":"greeting"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	rsp.Body.Close()
	_, metrics := get(t, url+"/metrics")
	for _, want := range []string{
		`rpc_server_requests_total{code="ok",endpoint="Echo.Call",protocol="connect"} 1`, "server_connections_refused_total 0",
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	var calls []string
	for dec := json.NewDecoder(strings.NewReader(p.Stderr.(*log).String())); dec.More(); {
		var line struct{ Level, Msg, Service, Endpoint, Resource, Address string }
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Msg == "call" || line.Msg == "listening" {
			calls = append(calls, strings.Join([]string{line.Level, line.Msg, line.Service, line.Endpoint, line.Resource, line.Address}, " "))
		}
	}
	want := []string{"INFO listening echo-srv   " + r.address["echo-srv"], "DEBUG call echo-srv Echo.Call default/greeting "}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// TestNames: a service's name begins its settings, and its metrics stand beside ours.
func TestNames(t *testing.T) {
	for name, setting := range map[string]string{"kv-srv": "KV_ADDRESS", "greeter": "GREETER_ADDRESS", "my.greeter-2-srv": "MY_GREETER_2_ADDRESS"} {
		t.Run(name, func(t *testing.T) {
			free := run(t, process(t, nil), service("free-srv", nothing)) // has a port that it then leaves
			free.stop()
			if err := free.end(); err != nil {
				t.Fatal(err)
			}
			r := run(t, process(t, map[string]string{setting: free.address["free-srv"]}), service(name, func(_ context.Context, h *host.Host) error {
				c := prometheus.NewCounter(prometheus.CounterOpts{Name: "greetings_total", Help: "Greetings."})
				c.Add(7)
				return h.Metrics().Register(c)
			}))
			if r.address[name] != free.address["free-srv"] {
				t.Errorf("%s is not read: it listens on %s", setting, r.address[name])
			}
			if _, got := get(t, "http://"+r.address[name]+"/metrics"); !strings.Contains(got, "\ngreetings_total 7\n") {
				t.Error("its own metrics are not there")
			}
			r.stop()
			if err := r.end(); err != nil {
				t.Error(err)
			}
		})
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

// colors is a service with settings of its own.
func colors(name string) host.Service {
	return host.Service{
		Name: name, Port: 8199,
		Settings: []setting.Setting{{Name: "COLOR", Default: "red", Help: "red or blue"}, {Name: "COLOR_TTL", Default: "1m", Help: "how long"}},
		Start: func(_ context.Context, h *host.Host) error {
			if got := h.Settings.String("COLOR"); got != "red" && got != "blue" {
				h.Settings.Fail("COLOR", "%q is neither red nor blue", got)
			}
			h.Settings.Duration("COLOR_TTL")
			return nil
		},
	}
}

func TestSettings(t *testing.T) {
	var out bytes.Buffer
	host.WriteSettings(&out, colors("one-srv"), colors("two-srv"))
	listed := map[string]int{}
	for line := range strings.Lines(out.String()) {
		name, rest, _ := strings.Cut(line, " ")
		listed[name]++
		if strings.TrimSpace(rest) == "" {
			t.Errorf("%s has no help", name)
		}
	}
	for _, name := range []string{
		"ONE_ADDRESS", "ONE_ADVERTISE", "TWO_ADDRESS", "TWO_ADVERTISE", "COLOR", "COLOR_TTL", "PLATFORM_REGISTRY", "PLATFORM_MDNS", "PLATFORM_DATA",
		"PLATFORM_LOG", "PLATFORM_INSECURE", "PLATFORM_HOSTS", "PLATFORM_MAX_MESSAGE", "PLATFORM_MAX_CALLS", "PLATFORM_MAX_STREAMS",
		"PLATFORM_TLS_CERT", "PLATFORM_TLS_KEY", "PLATFORM_TLS_CLIENT_CA", "PLATFORM_TLS_CA", "PLATFORM_TLS_SERVER_NAME", "PLATFORM_CORS_ORIGINS",
		"PLATFORM_MAX_HEADER", "PLATFORM_MAX_CONN_STREAMS", "PLATFORM_COMPRESS_MIN", "PLATFORM_WRITE_TIMEOUT", "PLATFORM_KEEPALIVE", "PLATFORM_IDLE",
		"PLATFORM_MAX_CONNS", "PLATFORM_TIMEOUT", "PLATFORM_SLOW", "PLATFORM_DRAIN", "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if listed[name] != 1 {
			t.Errorf("%s is listed %d times", name, listed[name])
		}
	}
	for name, n := range listed {
		if n != 1 {
			t.Errorf("%s is listed %d times", name, n)
		}
	}
	for _, want := range []string{"127.0.0.1:8199", "COLOR                        red             red or blue"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not listed:\n%s", want, out.String())
		}
	}
	// Nothing is read that is not listed, and all that is listed is read.
	read := map[string]bool{}
	p := process(t, nil)
	getenv := p.Getenv
	p.Getenv = func(name string) string { read[name] = true; return getenv(name) }
	r := run(t, p, colors("one-srv"), colors("two-srv"))
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	for name := range read {
		if listed[strings.TrimSuffix(name, "_FILE")] == 0 && !strings.HasPrefix(name, "OTEL_") {
			t.Errorf("%s is read and not listed", name)
		}
	}
	for name := range listed {
		if !read[name] && name != "PLATFORM_DATA" { // only by services that keep something
			t.Errorf("%s is listed and not read", name)
		}
	}
}

// TestWrongSettings: all that is wrong is said at once, once, before anything starts.
func TestWrongSettings(t *testing.T) {
	p := process(t, map[string]string{
		"PLATFORM_TIMEOUT": "soon", "PLATFORM_LOG": "loud", "ONE_ADDRESS": "nowhere", "TWO_ADDRESS": "0.0.0.0:80", "PLATFORM_REGISTRY": "zookeeper://a",
		"PLATFORM_MDNS": "wan", "PLATFORM_MAX_MESSAGE": "4MB", "PLATFORM_DRAIN_FILE": filepath.Join(t.TempDir(), "missing"),
	})
	never := func(context.Context, *host.Host) error { t.Error("it starts"); return nil }
	err := host.Run(t.Context(), p, service("one-srv", never), service("two-srv", never))
	if _, ok := errors.AsType[*host.ConfigError](err); !ok {
		t.Fatalf("got error %v", err)
	}
	var names []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"ONE_ADDRESS", "PLATFORM_DRAIN_FILE", "PLATFORM_LOG", "PLATFORM_MAX_MESSAGE", "PLATFORM_MDNS", "PLATFORM_REGISTRY", "PLATFORM_TIMEOUT", "TWO_ADDRESS",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("%v\n(-want +got):\n%s", err, diff)
	}
	var out bytes.Buffer
	if got := host.ExitCode(&out, err); got != host.ExitUsage {
		t.Errorf("got exit code %d", got)
	}
	if lines := strings.Count(out.String(), "\n"); lines != len(want) || !strings.HasPrefix(out.String(), "error: ") {
		t.Errorf("it says\n%s", out.String())
	}
}

// TestWrongOwnSettings are found when the service starts.
func TestWrongOwnSettings(t *testing.T) {
	p := process(t, map[string]string{"COLOR": "green", "COLOR_TTL": "soon"})
	err := host.Run(t.Context(), p, colors("one-srv"))
	if _, ok := errors.AsType[*host.ConfigError](err); !ok || !strings.Contains(err.Error(), `COLOR: "green" is neither red nor blue`) || !strings.Contains(err.Error(), `COLOR_TTL: "soon" is no duration`) {
		t.Errorf("got error %v", err)
	}
}

func TestInsecure(t *testing.T) {
	env := map[string]string{"ONE_ADDRESS": "0.0.0.0:0"}
	if err := host.Run(t.Context(), process(t, env), service("one-srv", nothing)); err == nil || !strings.Contains(err.Error(), "PLATFORM_INSECURE=true") {
		t.Errorf("got error %v, want one that says how", err)
	}
	env["PLATFORM_INSECURE"] = "true"
	r := run(t, process(t, env), service("one-srv", nothing))
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestAddressTaken(t *testing.T) {
	r := run(t, process(t, nil), service("one-srv", nothing))
	err := host.Run(t.Context(), process(t, map[string]string{"TWO_ADDRESS": r.address["one-srv"]}), service("two-srv", nothing))
	if err == nil || !strings.HasPrefix(err.Error(), "start two-srv: ") || !strings.Contains(err.Error(), "TWO_ADDRESS") {
		t.Errorf("got error %v", err)
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestDataDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keeps := service("one-srv", func(_ context.Context, h *host.Host) error { _, err := h.DataDir(); return err })
	err := host.Run(t.Context(), process(t, map[string]string{"PLATFORM_DATA": file}), keeps)
	if err == nil || !strings.HasPrefix(err.Error(), "start one-srv: PLATFORM_DATA: ") {
		t.Errorf("got error %v", err)
	}
}

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		code int
		text string
	}{
		"well":       {nil, 0, ""},
		"a failure":  {errors.New("gone"), host.ExitFailure, "error: gone\n"},
		"many":       {errors.Join(errors.New("gone"), errors.New("lost")), host.ExitFailure, "error: gone\n       lost\n"},
		"a setting":  {&host.ConfigError{Err: errors.New("X: wrong")}, host.ExitUsage, "error: X: wrong\n"},
		"its caller": {fmt.Errorf("start: %w", &host.ConfigError{Err: errors.New("X: wrong")}), host.ExitUsage, "error: start: X: wrong\n"},
	}
	for name, tt := range tests {
		var out bytes.Buffer
		if got := host.ExitCode(&out, tt.err); got != tt.code || out.String() != tt.text {
			t.Errorf("%s: got %d %q, want %d %q", name, got, out.String(), tt.code, tt.text)
		}
	}
}
