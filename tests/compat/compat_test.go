// Package compat_test plays what applications do, with the real clients of go-micro
// v1.18, v2.9, v4.11 and v5.30, against the kv-srv that this folder belongs to.
//
// Each version is a program in a module of its own; they share the scenarios.
package compat_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/tests/echo"
)

func TestGoMicro(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("INTEROP=1 runs this; it downloads and builds four versions of go-micro")
	}
	kv, echoes := startKV(t), startEcho(t)
	for _, v := range []struct {
		name    string
		clients []string
	}{
		{"v1", []string{"mucp"}},
		{"v2", []string{"grpc", "mucp"}},
		{"v4", []string{"mucp"}},
		{"v5", []string{"mucp", "grpc"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			program := build(t, v.name, ".")
			for _, client := range v.clients {
				t.Run(client+"/address", func(t *testing.T) {
					play(t, program, "-client", client, "-address", kv, "-refusals", "../languages/refusals.json")
					awaitNoWatch(t, kv)
				})
				t.Run(client+"/mdns", func(t *testing.T) {
					play(t, program, "-client", client, "-registry", "mdns", "-address", kv, "-calls", "2000", "-messages", "500")
					awaitNoWatch(t, kv)
				})
				t.Run(client+"/echo", func(t *testing.T) {
					play(t, program, "-client", client, "-address", echoes, "-scenario", "echo")
				})
			}
		})
	}
}

// build builds a main package with the module that dir is in.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-mod=readonly", "-o", program, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s in %s: %v\n%s", pkg, dir, err, out)
	}
	return program
}

// play runs a client and makes a subtest of each line that it prints.
func play(t *testing.T, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = []string{
		"HOME=" + t.TempDir(),   // v5 writes there
		"MICRO_TLS_SECURE=true", // or v5 warns
	}
	out, err := cmd.Output()
	for line := range strings.Lines(string(out)) {
		what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, said, _ := strings.Cut(rest, " ")
		t.Run(name, func(t *testing.T) {
			switch what {
			case "ok":
				t.Log(said)
			case "skip":
				t.Skip(said)
			default:
				t.Error(said)
			}
		})
	}
	if err != nil || len(out) == 0 {
		t.Errorf("%s: error %v, %d bytes of output\n%s", strings.Join(args, " "), err, len(out), stderr.Bytes())
	}
}

// startKV runs kv-srv as a process of its own, until the test ends.
func startKV(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(build(t, "../..", "./kv-srv"))
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PLATFORM_DATA=" + dir, "PLATFORM_REGISTRY=mdns:", "KV_ADDRESS=127.0.0.1:0"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(t.Output(), lines.Text())
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Address
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // Wait tells if it has ended before
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop kv-srv: %v", err)
		}
	})
	select {
	case address = <-listening:
	case <-ended:
		t.Fatal("kv-srv has ended")
	case <-time.After(20 * time.Second):
		t.Fatal("kv-srv does not listen")
	}
	return address
}

// awaitNoWatch waits until the server has noticed that its watchers have left.
func awaitNoWatch(t *testing.T, address string) {
	t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := watches(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if open == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%v watches are open, although their callers have left", open)
		}
	}
}

// watches returns how many watches are open, over all protocols.
func watches(ctx context.Context, address string) (open float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	rsp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, err
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, `rpc_server_in_flight{endpoint="KV.Watch"`) {
			continue
		}
		found = true
		_, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		open += n
	}
	if !found {
		return 0, fmt.Errorf("%s counts no KV.Watch", req.URL)
	}
	return open, nil
}

// startEcho runs the service of tests/echo in this process, until the test ends.
func startEcho(t *testing.T) (address string) {
	t.Helper()
	started, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- host.Run(t.Context(), host.Process{
			Getenv:   func(name string) string { return map[string]string{"ECHO_ADDRESS": "127.0.0.1:0"}[name] },
			Stderr:   t.Output(),
			Registry: registry.NewMemoryRegistry(),
			Started:  func(r []host.Running) { started <- r[0].Address },
		}, echo.Service(&echo.Handler{}))
	}()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("run echo: %v", err)
		}
	})
	select {
	case address = <-started:
	case <-time.After(20 * time.Second):
		t.Fatal("echo does not start")
	}
	return address
}
