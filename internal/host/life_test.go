package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/datadir"
	"github.com/micro/platform/internal/host"
)

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
