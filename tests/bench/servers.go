package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/heapfloor"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// process is a server that runs. The zero value is one that somebody else runs.
type process struct {
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startServer runs a server in a process of its own, until it is stopped.
func startServer(ctx context.Context, name, profile, keys string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", name, "-profile", profile, "-keys", keys)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if p.address, err = p.line(); err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) line() (string, error) {
	line, err := p.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// cpu is the time that the server has worked until now.
func (p *process) cpu() (time.Duration, error) {
	if p.cmd == nil {
		return 0, nil
	}
	line, err := p.ask("")
	if err != nil {
		return 0, err
	}
	return time.ParseDuration(line)
}

// collect has the server give back what memory it does not use.
func (p *process) collect() error {
	_, err := p.ask(collectNow)
	return err
}

// ask sends a line and returns the answer.
func (p *process) ask(question string) (string, error) {
	if _, err := io.WriteString(p.in, question+"\n"); err != nil {
		return "", err
	}
	return p.line()
}

func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.in.Close() // its end
	_ = p.cmd.Wait() // it has no result
}

// collectNow is a line of input of a server.
const collectNow = "collect"

// beServer serves until its standard input ends, with TLS if keys is a folder. To each
// line of input it answers with the time that it has worked; before, it collects garbage
// if that is what the line says.
func beServer(ctx context.Context, name, keys string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			if in.Text() == collectNow {
				debug.FreeOSMemory()
			}
			var u syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for others alone
			fmt.Println(time.Duration(u.Utime.Nano() + u.Stime.Nano()))
		}
	}()
	secure, err := serverTLS(keys)
	if err != nil {
		return err
	}
	switch name, where, _ := strings.Cut(name, "="); name {
	case "echo":
		return serveHosted(ctx, echo.Service(&echo.Handler{}), keys, "")
	case "kv":
		return serveHosted(ctx, kvserver.Service(), keys, where)
	case "first":
		return serveNode(ctx, where, where)
	case "node":
		return serveNode(ctx, "127.0.0.1:0", where)
	case "resp":
		return serveRESP(ctx)
	case "discovery":
		return serveDiscovery(ctx, "DISCOVERY_REGISTRY", cmp.Or(where, "memory:"))
	case "reader":
		return serveDiscovery(ctx, "DISCOVERY_SOURCE", where)
	case "port":
		return servePort(ctx)
	case "grpc-go":
		return serveGRPC(ctx, secure)
	case "connect-go":
		return serveConnect(ctx, secure)
	case "stock":
		return serveStock(ctx)
	}
	return fmt.Errorf("no server %q", name)
}

// serveHosted is a service as it is deployed, the whole chain around it; store is that of
// kv, "" for its default.
func serveHosted(ctx context.Context, s host.Service, keys, store string) error {
	env := map[string]string{"ECHO_ADDRESS": "127.0.0.1:0", "KV_ADDRESS": "127.0.0.1:0", "KV_STORE": store}
	if keys != "" {
		env["PLATFORM_TLS_CERT"], env["PLATFORM_TLS_KEY"] = filepath.Join(keys, certFile), filepath.Join(keys, keyFile)
	}
	return hosted(ctx, env, s, func(r host.Running) string { return r.Address })
}

// serveRESP is kv as clients of Redis reach it.
func serveRESP(ctx context.Context) error {
	return hosted(ctx, map[string]string{"KV_ADDRESS": "127.0.0.1:0", "KV_RESP": "127.0.0.1:0"}, kvserver.Service(),
		func(r host.Running) string { return r.Doors[call.RESP] })
}

// serveNode is kv as a node of a ring, which it finds by the gossip of the first node.
func serveNode(ctx context.Context, gossip, first string) error {
	return hosted(ctx, map[string]string{"KV_ADDRESS": "127.0.0.1:0", "KV_PEERS": first, "KV_RING_ADDRESS": gossip}, kvserver.Service(),
		func(r host.Running) string { return r.Address })
}

// hosted runs a service and prints one of its addresses.
func hosted(ctx context.Context, env map[string]string, s host.Service, address func(host.Running) string) error {
	heapfloor.Hold() // as their main functions do
	return host.Run(ctx, host.Process{
		Getenv: func(k string) string { return env[k] }, Stderr: io.Discard, Registry: registry.NewMemoryRegistry(),
		Started: func(all []host.Running) { fmt.Println(address(all[0])) },
	}, s)
}

// serveDiscovery is a node of discovery: one that writes over a registry, or reads from a
// source.
func serveDiscovery(ctx context.Context, variable, value string) error {
	env := map[string]string{
		"DISCOVERY_ADDRESS": "127.0.0.1:0", "DISCOVERY_DNS": "off", "DISCOVERY_SIZE": "1GiB",
		"PLATFORM_MAX_STREAMS": "20000", variable: value,
	}
	if variable == "DISCOVERY_SOURCE" {
		env["DISCOVERY_ROLE"] = "read"
	}
	return hosted(ctx, env, discoveryserver.Service(), func(r host.Running) string { return r.Address })
}

// servePort is the port without the chain.
func servePort(ctx context.Context) error {
	s := port.New(ctx, port.Config{
		Name: "echo-srv", Address: "127.0.0.1:0", Registry: registry.NewMemoryRegistry(), MaxMessage: 4 << 20, MaxConns: 1 << 16,
		Timeout: time.Minute, Patience: time.Minute, Drain: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err := echopb.RegisterEchoHandler(s, &echo.Handler{}); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	fmt.Println(s.Addr())
	<-ctx.Done()
	return s.Stop()
}
