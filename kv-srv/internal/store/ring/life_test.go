package ring_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// TestNoneLeft: a ring that was written to and watched leaves no goroutine behind.
func TestNoneLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	all := newRing(t, 3)
	fill(t, all[0], 100)
	ended := make(chan error, len(all))
	for _, n := range all {
		started := make(chan struct{}, 16)
		go func() {
			ended <- n.Watch(t.Context(), ns, "", 0, func(store.Event) error { started <- struct{}{}; return nil })
		}()
		<-started
	}
	for _, n := range all {
		n.end(t)
	}
	for range all {
		if err := <-ended; err == nil {
			t.Error("the watch of a node that is closed returns nil")
		}
	}
	goleak.VerifyNone(t, before, // what go-micro's registry and server leave until the process ends
		goleak.IgnoreAnyFunction("go-micro.dev/v5/registry.(*memRegistry).ttlPrune"),
		goleak.IgnoreAnyFunction("go-micro.dev/v5/registry.(*memWatcher).Next"))
}

// TestCloseEndsCalls: a call that waits for another node ends with the node that it was
// made to.
func TestCloseEndsCalls(t *testing.T) {
	n := newNode(t, func(o *ring.Options) { o.Alone = time.Hour }) // it waits for others
	calls := map[string]func() error{
		"Get":   func() error { _, err := n.Get(t.Context(), ns, "k"); return err },
		"Put":   func() error { _, err := n.Put(t.Context(), ns, store.Write{Key: "k"}); return err },
		"List":  func() error { _, err := n.List(t.Context(), ns, store.Query{Limit: 1, MaxBytes: 1}); return err },
		"Lease": func() error { _, err := n.Lease(t.Context(), ns, "k", 0, time.Second); return err },
		"Watch": func() error { return n.Watch(t.Context(), ns, "", 0, func(store.Event) error { return nil }) },
	}
	type end struct {
		name string
		err  error
	}
	begun, ends := make(chan struct{}), make(chan end, len(calls))
	for name, call := range calls {
		go func() {
			begun <- struct{}{}
			ends <- end{name, call()}
		}()
		<-begun
	}
	n.end(t)
	for range calls {
		select {
		case e := <-ends:
			if e.err == nil {
				t.Errorf("%s at a node that is closed returns nil", e.name)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Close leaves calls waiting")
		}
	}
}

// TestCloseUnstarted: a node that has not started answers nothing, and can be closed.
func TestCloseUnstarted(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := ring.Open(t.Context(), ring.Options{Log: slog.New(slog.DiscardHandler), Dial: dial})
	if err := s.Ready(t.Context()); err == nil {
		t.Error("a node that has not started is ready")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, ns, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get: got %v, want that the deadline passes", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

// TestLeaveTwice: who has left leaves again at once.
func TestLeaveTwice(t *testing.T) {
	all := newRing(t, 2)
	want := fill(t, all[0], 100)
	for range 2 {
		if err := all[0].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := all[0].Ready(t.Context()); err == nil {
		t.Error("a node that has left is ready")
	}
	settle(t, all[1])
	wantAll(t, all[1], want)
}

// TestLeaveInNoTime: who has no time to hand over says so, and is gone all the same.
func TestLeaveInNoTime(t *testing.T) {
	all := newRing(t, 3)
	want := fill(t, all[0], 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := all[0].Leave(ctx); err == nil {
		t.Error("Leave without time returns nil")
	}
	settle(t, all[1:]...)
	wantAll(t, all[1], want)
}

// TestLeaveAlone: the last node has nobody to hand over to.
func TestLeaveAlone(t *testing.T) {
	n := newRing(t, 1)[0]
	put(t, n, "k", "v")
	if err := n.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}
