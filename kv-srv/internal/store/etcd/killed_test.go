package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/backends"
)

const (
	patient  = 60 * time.Second // what should happen at once may take this long
	deadline = 15 * time.Second // of one call
)

// load is callers of a service while its etcd is killed.
type load struct {
	t  *testing.T
	kv *kvclient.Client

	failed  atomic.Int64 // calls, all of them with unavailable
	counted atomic.Int64
	mu      sync.Mutex
	written map[string]string // what was acknowledged
}

// call calls until there is an answer. What fails must fail with unavailable, in time.
func (l *load) call(f func(context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(l.t.Context(), deadline)
		err := f(ctx)
		late := ctx.Err()
		cancel()
		var e *kvclient.Error
		switch {
		case late != nil:
			return fmt.Errorf("a call outlived its deadline: %w", err)
		case errors.As(err, &e) && e.Code == "unavailable":
			l.failed.Add(1)
			time.Sleep(50 * time.Millisecond)
		default:
			return err
		}
	}
}

// write writes one key after another until it is told to stop.
func (l *load) write(name string, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		key, value := fmt.Sprint("w/", name, "/", i), strconv.Itoa(i)
		err := l.call(func(ctx context.Context) error {
			_, err := l.kv.Put(ctx, key, []byte(value))
			return err
		})
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.written[key] = value
		l.mu.Unlock()
	}
}

// count adds 1 to a number some times, by getting it and putting it back.
func (l *load) count(name string, times int) error {
	for done := 0; done < times; {
		var item kvclient.Item
		err := l.call(func(ctx context.Context) (err error) {
			item, err = l.kv.Get(ctx, "n")
			return err
		})
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			return err
		}
		id := kvclient.RequestID(fmt.Sprint(name, "-", done, "-", item.Version))
		err = l.call(func(ctx context.Context) error {
			_, err := l.kv.Put(ctx, "n", strconv.AppendInt(nil, int64(n+1), 10), kvclient.IfVersion(item.Version), id)
			return err
		})
		switch {
		case err == nil:
			done++
			l.counted.Add(1)
		case !errors.Is(err, kvclient.ErrConflict):
			return err
		}
	}
	return nil
}

// await waits for what happens in other goroutines.
func (l *load) await(what string, yes func() bool) {
	l.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patient)
	for !yes() {
		select {
		case <-ticker.C:
		case <-late:
			l.t.Fatalf("%s: not within %v", what, patient)
		}
	}
}

// wantUnavailable calls while etcd is away.
func (l *load) wantUnavailable() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), deadline)
	defer cancel()
	_, err := l.kv.Increment(ctx, "other", 1)
	var e *kvclient.Error
	if !errors.As(err, &e) || e.Code != "unavailable" || e.Reason != "kv.backend" || ctx.Err() != nil {
		l.t.Errorf("etcd is away: got %v, deadline %v", err, ctx.Err())
	}
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.written)
}

// watched collects what a watch of the written keys tells, until the key "w/end".
func (l *load) watched(begun chan<- struct{}) (map[string]string, error) {
	seen := map[string]string{}
	for e, err := range l.kv.Watch(l.t.Context(), "w/", kvclient.WithProgress()) {
		switch {
		case err != nil:
			return nil, err
		case e.Type == kvclient.EventProgress && begun != nil:
			close(begun)
			begun = nil
		case e.Item.Key == "w/end":
			return seen, nil
		case e.Type == kvclient.EventPut:
			seen[e.Item.Key] = string(e.Item.Value)
		}
	}
	return nil, errors.New("the watch ended")
}

func readyz(t *testing.T, address string) (status int, body string) {
	t.Helper()
	rsp, err := http.Get("http://" + address + "/readyz")
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

// TestKilled kills etcd under load and starts it again, below a service that goes on.
func TestKilled(t *testing.T) {
	u := backends.URL(t, "etcd")
	p := hosttest.Run(t, map[string]string{"KV_STORE": u.String() + "/killed"}, kvserver.Service())
	l := &load{t: t, kv: kvclient.New(p.Client), written: map[string]string{}}
	t.Cleanup(func() {
		if _, err := l.kv.DeleteAll(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if _, err := l.kv.Put(t.Context(), "n", []byte("0")); err != nil {
		t.Fatal(err)
	}
	const callers, times, writers = 50, 4, 8
	begun, watch := make(chan struct{}), make(chan error, 1)
	var seen map[string]string
	go func() {
		var err error
		seen, err = l.watched(begun)
		watch <- err
	}()
	select {
	case <-begun:
	case err := <-watch:
		t.Fatal(err)
	}

	var group sync.WaitGroup
	stop, results := make(chan struct{}), make(chan error, callers+writers)
	for i := range writers {
		group.Go(func() { results <- l.write(strconv.Itoa(i), stop) })
	}
	for i := range callers {
		group.Go(func() { results <- l.count("c"+strconv.Itoa(i), times) })
	}
	l.await("a quarter of the count", func() bool { return l.counted.Load() > callers*times/4 })
	backends.Kill(t, "etcd")
	atKill := l.acknowledged()
	l.await("/readyz names etcd", func() bool {
		status, body := readyz(t, p.Address("kv-srv"))
		return status == http.StatusServiceUnavailable && strings.Contains(body, "etcd at http://"+u.Host)
	})
	l.wantUnavailable()
	l.await("calls fail", func() bool { return l.failed.Load() > 0 })
	if n := l.counted.Load(); n == callers*times {
		t.Fatal("the count was over before etcd was killed")
	}
	backends.Start(t, "etcd")
	l.await("writes go on", func() bool { return l.acknowledged() > 2*atKill })
	l.await("ready again", func() bool { status, _ := readyz(t, p.Address("kv-srv")); return status == http.StatusOK })
	close(stop)
	group.Wait()
	close(results)
	for err := range results {
		if err != nil {
			t.Error(err)
		}
	}

	if item, err := l.kv.Get(t.Context(), "n"); err != nil || string(item.Value) != strconv.Itoa(callers*times) {
		t.Errorf("%d callers counted to %s, %v, want %d", callers, item.Value, err, callers*times)
	}
	if _, err := l.kv.Put(t.Context(), "w/end", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-watch; err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for item, err := range l.kv.List(t.Context(), "w/") {
		if err != nil {
			t.Fatal(err)
		}
		listed[item.Key] = string(item.Value)
	}
	for key, value := range l.written {
		if listed[key] != value || seen[key] != value {
			t.Errorf("%s was acknowledged with %s, listed with %q, watched with %q", key, value, listed[key], seen[key])
		}
	}
	t.Logf("%d writes acknowledged, %d before the kill; %d calls unavailable", len(l.written), atKill, l.failed.Load())
}
