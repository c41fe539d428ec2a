package fleet_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/fleet"
)

const types = `# TYPE rpc_server_requests_total counter
# TYPE rpc_server_duration_seconds histogram
# TYPE rpc_server_in_flight gauge
# TYPE process_start_time_seconds gauge
`

// page is an instance whose metrics a test writes.
type page struct{ text atomic.Pointer[string] }

func (p *page) set(lines ...string) {
	text := types + strings.Join(lines, "\n") + "\n"
	p.text.Store(&text)
}

// newPage registers an instance of a service that is ready.
func newPage(t *testing.T, reg registry.Registry, service string) *page {
	t.Helper()
	p := &page{}
	p.set()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = io.WriteString(w, *p.text.Load())
			return
		}
		_, _ = io.WriteString(w, `{"status":"ready"}`)
	}))
	t.Cleanup(s.Close)
	register(t, reg, service, s.Listener.Addr().String(), s.Listener.Addr().String())
	return p
}

func calls(code string, n int) string {
	return fmt.Sprintf("rpc_server_requests_total{endpoint=\"KV.Get\",protocol=\"grpc\",code=%q} %d", code, n)
}

// took is a histogram of pairs: a bound, and how many took no longer.
func took(endpoint string, pairs ...any) string {
	var lines []string
	var n any
	for i := 0; i < len(pairs); i += 2 {
		n = pairs[i+1]
		lines = append(lines, fmt.Sprintf("rpc_server_duration_seconds_bucket{endpoint=%q,le=%q} %v", endpoint, fmt.Sprint(pairs[i]), n))
	}
	return strings.Join(append(lines,
		fmt.Sprintf("rpc_server_duration_seconds_sum{endpoint=%q} 1", endpoint),
		fmt.Sprintf("rpc_server_duration_seconds_count{endpoint=%q} %v", endpoint, n)), "\n")
}

func begun(at float64) string { return fmt.Sprintf("process_start_time_seconds %f", at) }

// near compares loads as far as floats are the same.
func near() cmp.Options {
	return cmp.Options{
		cmpopts.EquateApprox(1e-9, 0),
		cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }),
	}
}

// TestLoad follows one instance: its calls, its restart, and its silence.
func TestLoad(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	p := newPage(t, reg, "kv-srv")
	w := watch(t, reg, fleet.Config{})
	want := func(what string, want fleet.Load) {
		t.Helper()
		if d := cmp.Diff(w.only().Load, want, near()); d != "" {
			t.Errorf("%s: got -, want +\n%s", what, d)
		}
	}
	p.set(calls("ok", 1000), calls("internal", 100), took("KV.Get", .1, 900, .2, 1000, "+Inf", 1000), "rpc_server_in_flight 3", begun(1e9))
	w.look(0)
	want("first", fleet.Load{})
	if got := w.only().Started; !got.Equal(time.Unix(1e9, 0)) {
		t.Errorf("got started %s", got)
	}

	// 10 up to 0.1 s, 10 up to 0.2 s.
	p.set(calls("ok", 1018), calls("not_found", 1), calls("internal", 101), took("KV.Get", .1, 910, .2, 1020, "+Inf", 1020), "rpc_server_in_flight 0", begun(1e9))
	w.look(2 * time.Second)
	want("second", fleet.Load{Known: true, Calls: 10, Errors: .5, P50: 100 * time.Millisecond, P99: 198 * time.Millisecond})

	// Rates are of five seconds, quantiles of ten.
	w.look(4 * time.Second)
	want("third", fleet.Load{Known: true, Calls: 0, P50: 100 * time.Millisecond, P99: 198 * time.Millisecond})
	w.look(10 * time.Second)
	want("fourth", fleet.Load{Known: true})

	// Another process counts from nothing, and has two series: of 40, 20 up to 0.1 s.
	both := took("KV.Get", .1, 20, .2, 20, "+Inf", 20) + "\n" + took("KV.Put", .1, 0, .2, 0, "+Inf", 20)
	load := fleet.Load{Known: true, Calls: 20, Errors: 5, P50: 100 * time.Millisecond, P99: 200 * time.Millisecond}
	p.set(calls("ok", 30), calls("unavailable", 10), both, begun(1e9+100))
	w.look(2 * time.Second)
	want("restart", load)
	if got := w.only().Started; !got.Equal(time.Unix(1e9+100, 0)) {
		t.Errorf("got started %s", got)
	}

	// A clock that was set is no restart. A process that has counted more than that
	// before it is one.
	p.set(calls("ok", 50), calls("unavailable", 10), both, begun(1e9+101))
	w.look(2 * time.Second)
	load.Calls, load.Errors = 15, 2.5
	want("clock", load)
	p.set(calls("ok", 70), calls("unavailable", 10), both, begun(1e9+200))
	w.look(2 * time.Second)
	load.Calls, load.Errors = 40, 5
	want("faster than before", load)

	p.set("nothing 1")
	w.look(time.Second)
	want("no metrics", fleet.Load{})
}

// TestTogether adds up instances whose histograms differ.
func TestTogether(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	a, b, c := newPage(t, reg, "kv-srv"), newPage(t, reg, "kv-srv"), newPage(t, reg, "kv-srv")
	w := watch(t, reg, fleet.Config{})
	a.set(calls("ok", 0))
	b.set(calls("ok", 0))
	c.set("else 1")
	w.look(0)
	// 10 evenly up to 0.2 s, and 10 up to 0.1 s: of all, 15 up to 0.1 s.
	a.set(calls("ok", 10), took("KV.Get", .2, 10, .4, 10, "+Inf", 10), "rpc_server_in_flight 1")
	b.set(calls("internal", 10), took("KV.Get", .1, 10, .4, 10, "+Inf", 10), "rpc_server_in_flight 2")
	w.look(5 * time.Second)
	points := w.History("kv-srv")
	want := fleet.Load{Known: true, Calls: 4, Errors: 2, InFlight: 3, P50: 66_666_667, P99: 196 * time.Millisecond}
	if d := cmp.Diff(points[len(points)-1].Load, want, near()); d != "" {
		t.Error(d)
	}
}

// TestHistory has ten minutes, and a point for each second at most.
func TestHistory(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	newPage(t, reg, "kv-srv")
	w := watch(t, reg, fleet.Config{})
	for range 1300 {
		w.look(500 * time.Millisecond)
	}
	points := w.History("kv-srv")
	if len(points) != 600 || w.Now().Sub(points[0].Time) > 10*time.Minute || !points[599].Time.Equal(w.Now()) {
		t.Errorf("got %d points from %s on", len(points), points[0].Time)
	}
	w.look(9 * time.Minute)
	if points := w.History("kv-srv"); w.Now().Sub(points[0].Time) > 10*time.Minute || len(points) < 50 {
		t.Errorf("got %d points from %s on", len(points), points[0].Time)
	}
}

// TestWatch has a token at once, and another after a look.
func TestWatch(t *testing.T) {
	w := watch(t, registry.NewMemoryRegistry(), fleet.Config{})
	changed, release := w.Watch()
	<-changed
	w.look(0)
	w.look(0)
	<-changed
	select {
	case <-changed:
		t.Error("got a token for each look, want one for all")
	default:
	}
	release()
	release()
	w.look(0)
	select {
	case <-changed:
		t.Error("got a token after release")
	default:
	}
}
