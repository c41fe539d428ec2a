package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/tests/echo"
)

// TestObserved: log and metrics of a service tell of its calls.
func TestObserved(t *testing.T) {
	p := process(t, map[string]string{"PLATFORM_LOG": "debug"})
	r := run(t, p, echo.Service(&echo.Handler{}))
	url := "http://" + r.address["echo-srv"]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/Echo/Call", strings.NewReader(`{"text":"greeting"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	rsp.Body.Close()
	_, metrics := get(t, url+"/metrics")
	for _, want := range []string{
		`rpc_server_requests_total{code="ok",endpoint="Echo.Call",protocol="connect"} 1`, "server_connections_refused_total 0",
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	var calls []string
	for dec := json.NewDecoder(strings.NewReader(p.Stderr.(*log).String())); dec.More(); {
		var line struct{ Level, Msg, Service, Endpoint, Resource, Address string }
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Msg == "call" || line.Msg == "listening" {
			calls = append(calls, strings.Join([]string{line.Level, line.Msg, line.Service, line.Endpoint, line.Resource, line.Address}, " "))
		}
	}
	want := []string{"INFO listening echo-srv   " + r.address["echo-srv"], "DEBUG call echo-srv Echo.Call default/greeting "}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// TestNames: a service's name begins its settings, and its metrics stand beside ours.
func TestNames(t *testing.T) {
	for name, setting := range map[string]string{"kv-srv": "KV_ADDRESS", "greeter": "GREETER_ADDRESS", "my.greeter-2-srv": "MY_GREETER_2_ADDRESS"} {
		t.Run(name, func(t *testing.T) {
			free := run(t, process(t, nil), service("free-srv", nothing)) // has a port that it then leaves
			free.stop()
			if err := free.end(); err != nil {
				t.Fatal(err)
			}
			r := run(t, process(t, map[string]string{setting: free.address["free-srv"]}), service(name, func(_ context.Context, h *host.Host) error {
				c := prometheus.NewCounter(prometheus.CounterOpts{Name: "greetings_total", Help: "Greetings."})
				c.Add(7)
				return h.Metrics().Register(c)
			}))
			if r.address[name] != free.address["free-srv"] {
				t.Errorf("%s is not read: it listens on %s", setting, r.address[name])
			}
			if _, got := get(t, "http://"+r.address[name]+"/metrics"); !strings.Contains(got, "\ngreetings_total 7\n") {
				t.Error("its own metrics are not there")
			}
			r.stop()
			if err := r.end(); err != nil {
				t.Error(err)
			}
		})
	}
}
