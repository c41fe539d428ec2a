package fleet

import (
	"math"
	"strings"
	"testing"
	"time"
)

// FuzzParse: whatever an instance tells, its load is finite and not negative.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"# TYPE rpc_server_requests_total counter\nrpc_server_requests_total{code=\"ok\"} 5\nrpc_server_in_flight 2\nprocess_start_time_seconds 1.7e9\n",
		"# TYPE rpc_server_duration_seconds histogram\nrpc_server_duration_seconds_bucket{le=\"0.1\"} 5\nrpc_server_duration_seconds_bucket{le=\"+Inf\"} 9\nrpc_server_duration_seconds_count 9\n",
		"# TYPE rpc_server_duration_seconds histogram\nrpc_server_duration_seconds_bucket{le=\"0.2\"} 9\nrpc_server_duration_seconds_bucket{le=\"0.1\"} 5\nrpc_server_duration_seconds_bucket{le=\"NaN\"} 5\n",
		"# TYPE rpc_server_duration_seconds histogram\nrpc_server_duration_seconds_bucket{le=\"-1\"} 1\nrpc_server_duration_seconds_bucket{le=\"1e300\"} 1e300\n",
		"# TYPE rpc_server_requests_total counter\nrpc_server_requests_total NaN\n", "# TYPE rpc_server_requests_total counter\nrpc_server_requests_total -1\n", "# TYPE rpc_server_in_flight gauge\nrpc_server_in_flight +Inf\n", "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds NaN\n", "",
	} {
		f.Add(text, text)
	}
	at := time.Unix(1e9, 0)
	f.Fuzz(func(t *testing.T, before, after string) {
		var all samples
		for _, text := range []string{before, after} {
			if s, err := parse(strings.NewReader(text)); err == nil {
				at = at.Add(time.Second)
				s.at = at
				all = all.add(*s)
			}
		}
		if len(all) == 0 {
			return
		}
		one, recent := all.load()
		for _, l := range []Load{one, together([]Load{one, one}, []buckets{recent, nil, all[0].buckets})} {
			for _, n := range []float64{l.Calls, l.Errors, float64(l.InFlight), l.P50.Seconds(), l.P99.Seconds()} {
				if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
					t.Errorf("got %+v", l)
				}
			}
			if l.P50 > l.P99 {
				t.Errorf("got %+v", l)
			}
		}
	})
}
