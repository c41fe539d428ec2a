package discovery_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	microclient "go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/client"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

const (
	callers = 10
	each    = 50 // calls a second
)

// fleet is discovery, instances of a service, and callers of it.
type fleet struct {
	t         *testing.T
	discovery *process
	apps      []*process
	registry  *discoveryclient.Registry
	echo      echopb.EchoService
	options   []microclient.CallOption

	calls  atomic.Int64
	mu     sync.Mutex
	failed []failure
}

// failure is a call that failed.
type failure struct {
	begun time.Time
	err   error
}

// assemble starts discovery and three instances, and waits until all are known.
func assemble(t *testing.T, settings ...string) *fleet {
	t.Helper()
	f := &fleet{t: t}
	address := free(t)
	f.discovery = begin(t, "discovery-srv", append([]string{"DISCOVERY_ADDRESS=" + address, "DISCOVERY_REGISTRY=memory:", "DISCOVERY_DNS=off", "PLATFORM_REGISTRY=memory:"}, settings...)...)
	f.registry = discoveryclient.NewRegistry(address)
	t.Cleanup(func() { _ = f.registry.Close() })
	for range 3 {
		f.apps = append(f.apps, begin(t, "app", "ECHO_ADDRESS="+free(t), "PLATFORM_REGISTRY=discovery://"+address))
	}
	f.await(3)
	f.echo = echopb.NewEchoService("echo-srv", client.New(f.registry, nil, slog.New(slog.DiscardHandler)))
	return f
}

// known is how many instances a caller would choose from.
func (f *fleet) known() (n int) {
	found, _ := f.registry.GetService("echo-srv") // none is none
	for _, s := range found {
		n += len(s.Nodes)
	}
	return n
}

func (f *fleet) await(n int) {
	f.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); f.known() != n; <-tick.C {
		if time.Since(begun) > patient {
			f.t.Fatalf("%d instances are known, want %d", f.known(), n)
		}
	}
}

// load calls until done returns.
func (f *fleet) load(done func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	begun := time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { f.call(ctx, fmt.Sprint("caller ", i)) })
	}
	done()
	cancel()
	all.Wait()
	rate := float64(f.calls.Load()) / time.Since(begun).Seconds()
	f.t.Logf("%d calls, %.0f a second, %d failed", f.calls.Load(), rate, len(f.failed))
	if rate < callers*each/2 {
		f.t.Error("that was no load")
	}
}

// call calls at a steady rate until ctx is done. A call under way ends then by itself.
func (f *fleet) call(ctx context.Context, text string) {
	tick := time.NewTicker(time.Second / each)
	defer tick.Stop()
	options := []microclient.CallOption{microclient.WithRequestTimeout(10 * time.Second)}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begun := time.Now()
		rsp, err := f.echo.Call(context.WithoutCancel(ctx), &echopb.CallRequest{Text: text}, append(options, f.options...)...)
		f.calls.Add(1)
		if err == nil && rsp.GetText() == text {
			continue
		}
		f.mu.Lock()
		f.failed = append(f.failed, failure{begun, err})
		f.mu.Unlock()
	}
}

// wantNoFailure complains about calls that failed and had begun after a moment.
func (f *fleet) wantNoFailure(after time.Time) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, failed := range f.failed {
		if failed.begun.After(after) {
			f.t.Errorf("a call has failed: %v", failed.err)
		}
	}
}
