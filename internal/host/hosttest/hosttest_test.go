package hosttest_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/setting"
)

// hello is a service that tells a setting, and when it stops.
func hello(name string, stopped *bool) host.Service {
	return host.Service{
		Name: name, Settings: []setting.Setting{{Name: "HELLO_TO", Default: "world"}, {Name: "HELLO_AT", Default: "127.0.0.1:9"}},
		Start: func(_ context.Context, h *host.Host) error {
			to := h.Settings.String("HELLO_TO") + " at " + h.Settings.Address("HELLO_AT")
			h.Handle("GET /hello", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello "+to) }))
			h.OnStop(func(context.Context) error { *stopped = true; return nil })
			_, err := h.DataDir()
			return err
		},
	}
}

func TestRun(t *testing.T) {
	var oneStopped, twoStopped bool
	t.Run("while it runs", func(t *testing.T) {
		p := hosttest.Run(t, map[string]string{"HELLO_TO": "you"}, hello("one-srv", &oneStopped), hello("two-srv", &twoStopped))
		t.Cleanup(func() { // still before the services stop
			for _, name := range []string{"one-srv", "two-srv"} {
				if got := get(t, "http://"+p.Address(name)+"/hello"); got != "hello you at 127.0.0.1:0" {
					t.Errorf("%s: got %q", name, got)
				}
				if found, err := p.Registry.GetService(name); err != nil || len(found) != 1 || found[0].Nodes[0].Address != p.Address(name) {
					t.Errorf("%s is registered as %v, %v", name, found, err)
				}
			}
		})
	})
	if !oneStopped || !twoStopped {
		t.Error("services run after their test")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
