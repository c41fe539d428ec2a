package fleet_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/tests/echo"
)

// cut is a registry that may be away.
type cut struct {
	registry.Registry

	away atomic.Bool
}

var errCut = errors.New("cut off")

func (c *cut) ListServices(opts ...registry.ListOption) ([]*registry.Service, error) {
	if c.away.Load() {
		return nil, errCut
	}
	return c.Registry.ListServices(opts...)
}

// TestRegistryAway goes on with what was registered, and says so once.
func TestRegistryAway(t *testing.T) {
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	reg := &cut{Registry: p.Registry}
	gone := register(t, reg, "gone", "a", freePort(t))
	w := watch(t, reg, fleet.Config{})
	w.look(0)
	all := map[string]string{"echo-srv " + p.Address("echo-srv"): "ready", "gone " + gone.Nodes[0].Address: "away connection refused"}
	w.want(all)
	reg.away.Store(true)
	deregister(t, reg.Registry, gone)
	for range 3 {
		w.add(2 * time.Minute)
		if err := w.Look(t.Context()); !errors.Is(err, errCut) || !errors.Is(w.Err(), errCut) {
			t.Errorf("got errors %v and %v", err, w.Err())
		}
		w.want(all)
	}
	reg.away.Store(false)
	w.look(0)
	w.want(map[string]string{"echo-srv " + p.Address("echo-srv"): "ready"})
	if n := strings.Count(w.log.String(), "cut off"); n != 1 || strings.Count(w.log.String(), "answers again") != 1 {
		t.Errorf("got the log %s", w.log)
	}
}

// TestNoRegistry has servers that are not there.
func TestNoRegistry(t *testing.T) {
	v := setting.New(func(name string) string {
		return map[string]string{"PLATFORM_REGISTRY": "etcd://" + freePort(t)}[name]
	}, registries.Settings())
	r, err := registries.Open(t.Context(), registries.Read(v), nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.(*registries.Remote).Close() }()
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	w := watch(t, r, fleet.Config{Static: map[string][]string{"echo-srv": {p.Address("echo-srv")}}})
	if err := w.Look(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "list services: ") {
		t.Errorf("got %v, want why it cannot be asked", err)
	}
	w.want(map[string]string{"echo-srv " + p.Address("echo-srv"): "ready"})
	if i := w.only(); i.ID != "" || i.Version != "" {
		t.Errorf("got %+v", i)
	}
}

// TestGone keeps for a minute who has gone without a word.
func TestGone(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	w := watch(t, reg, fleet.Config{})
	away := register(t, reg, "away", "a", freePort(t))
	w.look(0)
	since := w.only().Changed
	deregister(t, reg, away)
	w.look(59 * time.Second)
	if i := w.only(); i.State != fleet.Away || !i.Changed.Equal(since) {
		t.Errorf("got %+v, want away since %s", i, since)
	}
	w.look(time.Second)
	w.want(map[string]string{})

	// One that answers may be another process by now.
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	there := register(t, reg, "there", "a", p.Address("echo-srv"))
	w.look(0)
	deregister(t, reg, there)
	w.look(time.Hour) // notes that it is not registered
	w.look(59 * time.Second)
	w.want(map[string]string{"there " + p.Address("echo-srv"): "ready"})
	w.look(time.Second)
	w.want(map[string]string{})
}

// TestSame knows a process by its address.
func TestSame(t *testing.T) {
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	address := p.Address("echo-srv")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.NewMemoryRegistry()
	w := watch(t, reg, fleet.Config{Static: map[string][]string{"echo-srv": {address, net.JoinHostPort("localhost", port)}, "other": {address}}})
	first := register(t, reg, "echo-srv", "m", address)
	register(t, reg, "echo-srv", "n", address)
	id := func() string {
		t.Helper()
		w.look(time.Second)
		w.want(map[string]string{"echo-srv " + address: "ready", "other " + address: "ready"})
		return w.Services()[0].Instances[0].ID
	}
	for range 3 {
		if got := id(); got != "m" {
			t.Errorf("got %s, want m", got)
		}
	}
	// It was killed, and another one has its place before the registry knows.
	newest := register(t, reg, "echo-srv", "a", address)
	for range 3 {
		if got := id(); got != "a" {
			t.Errorf("got %s, want a", got)
		}
	}
	deregister(t, reg, first)
	if got := id(); got != "a" {
		t.Errorf("got %s, want a", got)
	}
	deregister(t, reg, newest)
	if got := id(); got != "n" {
		t.Errorf("got %s, want n", got)
	}
}

// TestMany watches some of too many, and says so once.
func TestMany(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	for i := range 203 {
		s := &registry.Service{Name: fmt.Sprintf("s-%03d", i), Version: "1"}
		for j := range 5 {
			s.Nodes = append(s.Nodes, &registry.Node{Id: fmt.Sprint(j), Address: fmt.Sprintf("127.1.%d.%d:1", i, j)})
		}
		if err := reg.Register(s); err != nil {
			t.Fatal(err)
		}
	}
	w := watch(t, reg, fleet.Config{})
	for range 2 {
		w.add(time.Second)
		if err := w.Look(t.Context()); err == nil || err.Error() != "1000 instances are watched, and 15 more are not" {
			t.Errorf("got %v", err)
		}
		n := 0
		for _, s := range w.Services() {
			n += len(s.Instances)
		}
		if n != 1000 || w.Services()[0].Name != "s-000" || w.History("s-199") == nil || w.History("s-200") != nil {
			t.Errorf("got %d instances, history %v", n, w.History("s-199"))
		}
	}
	if n := strings.Count(w.log.String(), "too many instances"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}
