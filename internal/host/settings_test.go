package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/setting"
)

// colors is a service with settings of its own.
func colors(name string) host.Service {
	return host.Service{
		Name: name, Port: 8199,
		Settings: []setting.Setting{{Name: "COLOR", Default: "red", Help: "red or blue"}, {Name: "COLOR_TTL", Default: "1m", Help: "how long"}},
		Start: func(_ context.Context, h *host.Host) error {
			if got := h.Settings.String("COLOR"); got != "red" && got != "blue" {
				h.Settings.Fail("COLOR", "%q is neither red nor blue", got)
			}
			h.Settings.Duration("COLOR_TTL")
			return nil
		},
	}
}

func TestSettings(t *testing.T) {
	var out bytes.Buffer
	host.WriteSettings(&out, colors("one-srv"), colors("two-srv"))
	listed := map[string]int{}
	for line := range strings.Lines(out.String()) {
		name, rest, _ := strings.Cut(line, " ")
		listed[name]++
		if strings.TrimSpace(rest) == "" {
			t.Errorf("%s has no help", name)
		}
	}
	for _, name := range []string{
		"ONE_ADDRESS", "ONE_ADVERTISE", "TWO_ADDRESS", "TWO_ADVERTISE", "COLOR", "COLOR_TTL", "PLATFORM_REGISTRY", "PLATFORM_MDNS", "PLATFORM_DATA",
		"PLATFORM_LOG", "PLATFORM_INSECURE", "PLATFORM_HOSTS", "PLATFORM_MAX_MESSAGE", "PLATFORM_MAX_CALLS", "PLATFORM_MAX_STREAMS",
		"PLATFORM_TLS_CERT", "PLATFORM_TLS_KEY", "PLATFORM_TLS_CLIENT_CA", "PLATFORM_TLS_CA", "PLATFORM_TLS_SERVER_NAME", "PLATFORM_CORS_ORIGINS",
		"PLATFORM_MAX_HEADER", "PLATFORM_MAX_CONN_STREAMS", "PLATFORM_COMPRESS_MIN", "PLATFORM_WRITE_TIMEOUT", "PLATFORM_KEEPALIVE", "PLATFORM_IDLE",
		"PLATFORM_MAX_CONNS", "PLATFORM_TIMEOUT", "PLATFORM_SLOW", "PLATFORM_DRAIN", "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if listed[name] != 1 {
			t.Errorf("%s is listed %d times", name, listed[name])
		}
	}
	for name, n := range listed {
		if n != 1 {
			t.Errorf("%s is listed %d times", name, n)
		}
	}
	for _, want := range []string{"127.0.0.1:8199", "COLOR                        red             red or blue"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not listed:\n%s", want, out.String())
		}
	}
	// Nothing is read that is not listed, and all that is listed is read.
	read := map[string]bool{}
	p := process(t, nil)
	getenv := p.Getenv
	p.Getenv = func(name string) string { read[name] = true; return getenv(name) }
	r := run(t, p, colors("one-srv"), colors("two-srv"))
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	for name := range read {
		if listed[strings.TrimSuffix(name, "_FILE")] == 0 && !strings.HasPrefix(name, "OTEL_") {
			t.Errorf("%s is read and not listed", name)
		}
	}
	for name := range listed {
		if !read[name] && name != "PLATFORM_DATA" { // only by services that keep something
			t.Errorf("%s is listed and not read", name)
		}
	}
}

// TestWrongSettings: all that is wrong is said at once, once, before anything starts.
func TestWrongSettings(t *testing.T) {
	p := process(t, map[string]string{
		"PLATFORM_TIMEOUT": "soon", "PLATFORM_LOG": "loud", "ONE_ADDRESS": "nowhere", "TWO_ADDRESS": "0.0.0.0:80", "PLATFORM_REGISTRY": "zookeeper://a",
		"PLATFORM_MDNS": "wan", "PLATFORM_MAX_MESSAGE": "4MB", "PLATFORM_DRAIN_FILE": filepath.Join(t.TempDir(), "missing"),
	})
	never := func(context.Context, *host.Host) error { t.Error("it starts"); return nil }
	err := host.Run(t.Context(), p, service("one-srv", never), service("two-srv", never))
	if _, ok := errors.AsType[*host.ConfigError](err); !ok {
		t.Fatalf("got error %v", err)
	}
	var names []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"ONE_ADDRESS", "PLATFORM_DRAIN_FILE", "PLATFORM_LOG", "PLATFORM_MAX_MESSAGE", "PLATFORM_MDNS", "PLATFORM_REGISTRY", "PLATFORM_TIMEOUT", "TWO_ADDRESS",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("%v\n(-want +got):\n%s", err, diff)
	}
	var out bytes.Buffer
	if got := host.ExitCode(&out, err); got != host.ExitUsage {
		t.Errorf("got exit code %d", got)
	}
	if lines := strings.Count(out.String(), "\n"); lines != len(want) || !strings.HasPrefix(out.String(), "error: ") {
		t.Errorf("it says\n%s", out.String())
	}
}

// TestWrongOwnSettings are found when the service starts.
func TestWrongOwnSettings(t *testing.T) {
	p := process(t, map[string]string{"COLOR": "green", "COLOR_TTL": "soon"})
	err := host.Run(t.Context(), p, colors("one-srv"))
	if _, ok := errors.AsType[*host.ConfigError](err); !ok || !strings.Contains(err.Error(), `COLOR: "green" is neither red nor blue`) || !strings.Contains(err.Error(), `COLOR_TTL: "soon" is no duration`) {
		t.Errorf("got error %v", err)
	}
}

func TestInsecure(t *testing.T) {
	env := map[string]string{"ONE_ADDRESS": "0.0.0.0:0"}
	if err := host.Run(t.Context(), process(t, env), service("one-srv", nothing)); err == nil || !strings.Contains(err.Error(), "PLATFORM_INSECURE=true") {
		t.Errorf("got error %v, want one that says how", err)
	}
	env["PLATFORM_INSECURE"] = "true"
	r := run(t, process(t, env), service("one-srv", nothing))
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestAddressTaken(t *testing.T) {
	r := run(t, process(t, nil), service("one-srv", nothing))
	err := host.Run(t.Context(), process(t, map[string]string{"TWO_ADDRESS": r.address["one-srv"]}), service("two-srv", nothing))
	if err == nil || !strings.HasPrefix(err.Error(), "start two-srv: ") || !strings.Contains(err.Error(), "TWO_ADDRESS") {
		t.Errorf("got error %v", err)
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestDataDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keeps := service("one-srv", func(_ context.Context, h *host.Host) error { _, err := h.DataDir(); return err })
	err := host.Run(t.Context(), process(t, map[string]string{"PLATFORM_DATA": file}), keeps)
	if err == nil || !strings.HasPrefix(err.Error(), "start one-srv: PLATFORM_DATA: ") {
		t.Errorf("got error %v", err)
	}
}

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		code int
		text string
	}{
		"well":       {nil, 0, ""},
		"a failure":  {errors.New("gone"), host.ExitFailure, "error: gone\n"},
		"many":       {errors.Join(errors.New("gone"), errors.New("lost")), host.ExitFailure, "error: gone\n       lost\n"},
		"a setting":  {&host.ConfigError{Err: errors.New("X: wrong")}, host.ExitUsage, "error: X: wrong\n"},
		"its caller": {fmt.Errorf("start: %w", &host.ConfigError{Err: errors.New("X: wrong")}), host.ExitUsage, "error: start: X: wrong\n"},
	}
	for name, tt := range tests {
		var out bytes.Buffer
		if got := host.ExitCode(&out, tt.err); got != tt.code || out.String() != tt.text {
			t.Errorf("%s: got %d %q, want %d %q", name, got, out.String(), tt.code, tt.text)
		}
	}
}
