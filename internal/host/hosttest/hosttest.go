// Package hosttest runs real services for a test, on loopback.
package hosttest

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/setting"
)

// Platform is services that run until the end of a test.
type Platform struct {
	Client   microclient.Client // finds the services by name
	Registry registry.Registry  // where they are registered

	t       testing.TB
	running []host.Running
}

// Run runs services until the test and what it has deferred with t.Cleanup after this
// call are done; an error of theirs fails the test. env has their settings. Where it
// does not say otherwise, each listens on free ports of 127.0.0.1, also where a setting of
// its own is a port of that by default, and PLATFORM_DATA is a folder of the test.
func Run(t testing.TB, env map[string]string, services ...host.Service) *Platform {
	t.Helper()
	out := &output{w: t.Output()}
	t.Cleanup(out.close)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p := &Platform{t: t, Registry: registry.NewMemoryRegistry(registry.Logger(microlog.New(log)))}
	getenv := getenv(env, t.TempDir(), services)
	secure, err := certs.Read(setting.New(getenv, certs.Settings())).Client(log)
	if err != nil {
		t.Fatal(err)
	}
	p.Client = client.New(p.Registry, secure, log)

	started, done := make(chan []host.Running, 1), make(chan error, 1)
	// t.Context is done before what was deferred.
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	process := host.Process{
		Getenv: getenv, Stderr: out, Registry: p.Registry,
		Started: func(all []host.Running) { started <- all },
	}
	go func() { done <- host.Run(ctx, process, services...) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run services: %v", err)
		}
	})
	select {
	case p.running = <-started:
	case err := <-done:
		done <- nil // the error is told here
		t.Fatalf("start services: %v", err)
	}
	return p
}

// Address returns where a service listens, by its name.
func (p *Platform) Address(service string) string {
	p.t.Helper()
	for _, r := range p.running {
		if r.Name == service {
			return r.Address
		}
	}
	p.t.Fatalf("no service %q runs", service)
	return ""
}

// Door returns where a service serves a protocol of its own.
func (p *Platform) Door(service, protocol string) string {
	p.t.Helper()
	for _, r := range p.running {
		if address := r.Doors[protocol]; r.Name == service && address != "" {
			return address
		}
	}
	p.t.Fatalf("no service %q serves %s", service, protocol)
	return ""
}

const free = "127.0.0.1:0"

func getenv(env map[string]string, data string, services []host.Service) func(string) string {
	usual := map[string]string{"PLATFORM_DATA": data}
	for _, s := range services {
		for _, v := range s.Settings {
			if strings.HasPrefix(v.Default, "127.0.0.1:") {
				usual[v.Name] = free
			}
		}
	}
	return func(name string) string {
		if value, ok := env[name]; ok {
			return value
		}
		if strings.HasSuffix(name, "_ADDRESS") {
			return free
		}
		return usual[name]
	}
}

// output writes to a test until it ends, after which that would panic: go-micro's
// goroutines may log later.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = io.Discard
}
