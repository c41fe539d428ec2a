// Package killtest kills the server below a kv-srv that is in use, for every driver alike.
package killtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
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
	callers  = 50               // that count
	times    = 2                // that each of them counts
	writers  = 8                // that write meanwhile
)

// Backend is a server that tests/backends has started.
type Backend struct {
	Name    string // as tests/backends knows it
	Store   string // KV_STORE, with room of the test's own if the server is shared
	Named   string // what /readyz says of a server that is away: "etcd at http://127.0.0.1:12379"
	Forgets bool   // what was written is gone with the server, and it can neither list nor watch
}

// Run kills the server under load and starts it again: calls fail with unavailable within
// their deadline and succeed again by themselves; writes that were answered are there, and
// were watched; and a number that many callers have counted by Get and Put is exact.
func Run(t *testing.T, b Backend) {
	t.Helper()
	p := hosttest.Run(t, map[string]string{"KV_STORE": b.Store}, kvserver.Service())
	l := newLoad(t, kvclient.New(p.Client), b)
	stop := l.start()

	if b.Forgets {
		l.await("the count", func() bool { return l.counted.Load() == callers*times })
		l.wantCount()
	} else {
		l.await("a quarter of the count", func() bool { return l.counted.Load() > callers*times/4 })
	}
	backends.Kill(t, b.Name)
	atKill := l.acknowledged()
	l.await("/readyz names the server", func() bool {
		status, body := readyz(t, p.Address("kv-srv"))
		return status == http.StatusServiceUnavailable && strings.Contains(body, b.Named)
	})
	l.wantUnavailable()
	l.await("calls fail", func() bool { return l.failed.Load() > 0 })
	if l.counted.Load() == callers*times && !b.Forgets {
		t.Fatal("the count was over before the kill")
	}
	backends.Start(t, b.Name)
	l.await("writes go on", func() bool { return l.acknowledged() > 2*atKill })
	l.await("ready again", func() bool { status, _ := readyz(t, p.Address("kv-srv")); return status == http.StatusOK })
	stop()

	if b.Forgets {
		l.wantForgotten()
	} else {
		l.wantCount()
		l.wantAll()
	}
	t.Logf("%d writes acknowledged, %d before the kill; %d calls unavailable", len(l.written), atKill, l.failed.Load())
}

func (l *load) wantCount() {
	l.t.Helper()
	item, err := l.kv.Get(l.t.Context(), "n")
	if err != nil || string(item.Value) != strconv.Itoa(callers*times) {
		l.t.Errorf("%d callers counted to %s, %v, want %d", callers, item.Value, err, callers*times)
	}
}

// wantAll lists what was written, and reads what was watched.
func (l *load) wantAll() {
	l.t.Helper()
	if _, err := l.kv.Put(l.t.Context(), "w/end", nil); err != nil {
		l.t.Fatal(err)
	}
	var watched result
	select {
	case watched = <-l.watched:
	case <-time.After(patient):
		l.t.Fatalf("the watch does not tell of the last write within %v", patient)
	}
	if watched.err != nil {
		l.t.Fatal(watched.err)
	}
	listed := map[string]string{}
	for item, err := range l.kv.List(l.t.Context(), "w/") {
		if err != nil {
			l.t.Fatal(err)
		}
		listed[item.Key] = string(item.Value)
	}
	for key, value := range l.written {
		if listed[key] != value || watched.seen[key] != value {
			l.t.Errorf("%s was acknowledged with %s, listed with %q, watched with %q", key, value, listed[key], watched.seen[key])
		}
	}
}

// wantForgotten looks for what was there before the kill.
func (l *load) wantForgotten() {
	l.t.Helper()
	if item, err := l.kv.Get(l.t.Context(), "n"); !errors.Is(err, kvclient.ErrNotFound) {
		l.t.Errorf("the number is %s, %v, want that the server has forgotten it", item.Value, err)
	}
}

// wantUnavailable calls while the server is away.
func (l *load) wantUnavailable() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), deadline)
	defer cancel()
	_, err := l.kv.Increment(ctx, "other", 1)
	var e *kvclient.Error
	if !errors.As(err, &e) || e.Code != "unavailable" || e.Reason != "kv.backend" || ctx.Err() != nil {
		l.t.Errorf("the server is away: got %v, deadline %v", err, ctx.Err())
	}
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
