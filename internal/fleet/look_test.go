package fleet_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/fleet"
)

// TestOneLook has one look under way at a time, whoever wants one.
func TestOneLook(t *testing.T) {
	var now, most atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			defer now.Add(-1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
		}
		http.NotFound(w, r)
	}))
	defer s.Close()
	reg := registry.NewMemoryRegistry()
	register(t, reg, "page", "a", s.Listener.Addr().String())
	f := fleet.New(fleet.Config{Registry: reg, Log: quiet()})
	changed := run(t, f)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				if err := f.Look(t.Context()); err != nil {
					t.Error(err)
				}
				if got := states(f); len(got) != 1 {
					t.Errorf("got %v", got)
				}
			}
		})
	}
	all.Wait()
	<-changed
	if n := most.Load(); n != 1 {
		t.Errorf("got %d looks at once, want 1", n)
	}
}

// TestInterruptedLook tells nothing of who had no time to answer.
func TestInterruptedLook(t *testing.T) {
	var hold atomic.Bool
	held := make(chan struct{}, 2)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hold.Load() {
			held <- struct{}{}
			<-r.Context().Done()
		}
		http.NotFound(w, r)
	}))
	defer s.Close()
	reg := registry.NewMemoryRegistry()
	at := register(t, reg, "page", "a", s.Listener.Addr().String()).Nodes[0].Address
	w := watch(t, reg, fleet.Config{})
	w.look(0)
	hold.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-held
		cancel()
	}()
	if err := w.Look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.want(map[string]string{"page " + at: "unknown"})
}

// TestManySilent looks at those that answer every time, however many do not, and at each
// of these in its turn.
func TestManySilent(t *testing.T) {
	const silent = 14
	var mu sync.Mutex
	asked := map[string]int{}
	reg := registry.NewMemoryRegistry()
	for i := range silent {
		name := "silent-" + strconv.Itoa(i)
		address := serveConn(t, func(net.Conn) {
			mu.Lock()
			asked[name]++
			mu.Unlock()
			<-t.Context().Done()
		})
		register(t, reg, name, "a", address)
	}
	newPage(t, reg, "ready")
	w := watch(t, reg, fleet.Config{})
	w.look(0)
	before := len(w.History("ready"))
	const looks = 4 // at four of them
	for range looks {
		w.look(time.Second)
	}
	if n := len(w.History("ready")) - before; n != looks {
		t.Errorf("got %d looks, want %d", n, looks)
	}
	if got := w.Services(); len(got) != silent+1 || got[0].Instances[0].State != fleet.Ready {
		t.Errorf("got %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	for name, n := range asked {
		if n < 4 { // in two looks, each of which asks two things
			t.Errorf("%s was asked %d times", name, n)
		}
	}
}
