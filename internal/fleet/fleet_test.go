package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// patient is more than anything here takes.
const patient = 30 * time.Second

// log is what a fleet writes.
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

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// watched is a fleet whose clock, log and registry a test has.
type watched struct {
	*fleet.Fleet
	*clock

	t   *testing.T
	reg registry.Registry
	log *log
}

// watch makes the fleet of what is registered.
func watch(t *testing.T, reg registry.Registry, conf fleet.Config) watched {
	t.Helper()
	w := watched{clock: &clock{now: time.Now()}, t: t, reg: reg, log: &log{}}
	conf.Registry, conf.Log, conf.Now = reg, slog.New(slog.NewTextHandler(w.log, nil)), w.Now
	w.Fleet = fleet.New(conf)
	return w
}

// look moves the clock and looks.
func (w watched) look(d time.Duration) {
	w.t.Helper()
	w.add(d)
	if err := w.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// only returns the one instance that there is.
func (w watched) only() fleet.Instance {
	w.t.Helper()
	all := w.Services()
	if len(all) != 1 || len(all[0].Instances) != 1 {
		w.t.Fatalf("got %+v, want one instance", all)
	}
	return all[0].Instances[0]
}

// states are those of all instances, by service and address.
func states(f *fleet.Fleet) map[string]string {
	all := map[string]string{}
	for _, s := range f.Services() {
		for _, i := range s.Instances {
			all[s.Name+" "+i.Address] = strings.TrimSpace(i.State.String() + " " + i.Why)
		}
	}
	return all
}

// want fails unless these are the states.
func (w watched) want(all map[string]string) {
	w.t.Helper()
	if d := cmp.Diff(states(w.Fleet), all); d != "" {
		w.t.Error(d)
	}
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// getenv has the settings of services that listen on free ports.
func getenv(t *testing.T) func(string) string {
	t.Helper()
	data := t.TempDir()
	return func(name string) string {
		switch {
		case name == "PLATFORM_DATA":
			return data
		case strings.HasSuffix(name, "_ADDRESS"):
			return "127.0.0.1:0"
		}
		return ""
	}
}

// register registers an address until the end of the test.
func register(t *testing.T, r registry.Registry, service, id, address string) *registry.Service {
	t.Helper()
	s := &registry.Service{Name: service, Version: "1.2.3", Nodes: []*registry.Node{{Id: id, Address: address, Metadata: map[string]string{"zone": "a"}}}}
	if err := r.Register(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func deregister(t *testing.T, r registry.Registry, s *registry.Service) {
	t.Helper()
	if err := r.Deregister(s); err != nil {
		t.Fatal(err)
	}
}

// TestReady tells all of a service that is ready, and its load.
func TestReady(t *testing.T) {
	begun := time.Now()
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	w := watch(t, p.Registry, fleet.Config{})
	w.look(0)
	i := w.only()
	if i.State != fleet.Ready || i.Why != "" || i.ID == "" || i.Address != p.Address("echo-srv") || i.Version == "" ||
		len(i.Endpoints) != 5 || i.Endpoints[0] != "Echo.Call" || i.Metadata["protocol"] == "" || !i.Changed.Equal(i.Started) {
		t.Errorf("got %+v", i)
	}
	// This process is older than the service, and its clock counts in hundredths.
	if i.Started.After(begun.Add(time.Second)) || begun.Sub(i.Started) > time.Hour {
		t.Errorf("got started %s, want about %s", i.Started, begun)
	}
	if i.Load.Known {
		t.Errorf("got load %+v of the first look", i.Load)
	}

	client := echopb.NewEchoService("echo-srv", p.Client)
	call := func(code codes.Code, sleep time.Duration) {
		t.Helper()
		_, err := client.Call(t.Context(), &echopb.CallRequest{Code: int32(code), Sleep: durationpb.New(sleep)})
		if (err == nil) != (code == codes.OK) {
			t.Fatal(err)
		}
	}
	for range 10 {
		call(codes.OK, 0)
	}
	for _, answer := range []codes.Code{codes.NotFound, codes.AlreadyExists, codes.Aborted} {
		call(answer, 0)
	}
	call(codes.Internal, 0)
	call(codes.ResourceExhausted, 30*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held, err := client.Count(ctx, &echopb.CountRequest{Count: 1, Hold: true})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := held.Recv(); err != nil {
		t.Fatal(err)
	}
	w.look(5 * time.Second)
	got := w.only().Load
	if !got.Known || got.Calls != 3 || got.Errors != .4 || got.InFlight != 1 || got.P50 <= 0 || got.P50 > 25*time.Millisecond || got.P99 < 25*time.Millisecond {
		t.Errorf("got %+v, want 15 calls and 2 errors in 5 s, 1 in flight, and one that took 30 ms", got)
	}
	if points := w.History("echo-srv"); len(points) != 2 || points[0].Load.Known || points[1].Load != got || !points[1].Time.Equal(w.Now()) {
		t.Errorf("got history %+v", points)
	}
	w.look(11 * time.Second)
	if got := w.only().Load; !got.Known || got.Calls != 0 || got.InFlight != 1 || got.P50 != 0 {
		t.Errorf("got %+v, want none", got)
	}
}

// TestWaiting says what a service waits for, also where it takes long to say so.
func TestWaiting(t *testing.T) {
	p := hosttest.Run(t, nil,
		host.Service{Name: "a-srv", Start: func(_ context.Context, h *host.Host) error {
			h.Ready("store", func(context.Context) error { return errors.New("no route to it") })
			h.Ready("key", func(context.Context) error { return errors.New("none yet") })
			return nil
		}},
		host.Service{Name: "b-srv", Start: func(_ context.Context, h *host.Host) error {
			h.Ready("slow", func(ctx context.Context) error { <-ctx.Done(); <-t.Context().Done(); return nil })
			return nil
		}},
	)
	w := watch(t, p.Registry, fleet.Config{})
	w.look(0)
	w.want(map[string]string{
		"a-srv " + p.Address("a-srv"): "waiting key: none yet; store: no route to it",
		"b-srv " + p.Address("b-srv"): "waiting its check of readiness takes more than 1s",
	})
}
