package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the command, built.
type binary struct {
	t    *testing.T
	path string
	env  []string
}

func build(t *testing.T) binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "platform")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary{t, path, []string{"DISCOVERY_ADDRESS=127.0.0.1:0", "DISCOVERY_DNS=off", "KV_ADDRESS=127.0.0.1:0", "PLATFORM_DATA=" + t.TempDir()}}
}

func (b binary) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.path, args...)
	cmd.Env = b.env
	return cmd
}

// run runs a command line to its end, with what is piped into it.
func (b binary) run(stdin string, args ...string) result {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	cmd := b.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	return result{exitOf(b.t, cmd.Run()), out.String(), errs.String()}
}

// want is as that of command.
func (b binary) want(r result, code int, out, errs string) {
	b.t.Helper()
	command{t: b.t}.want(r, code, out, errs)
}

// started is a command line that runs.
type started struct {
	*exec.Cmd
	t         *testing.T
	out, err  *lines
	discovery string // the address of discovery-srv, of serve
}

func (b binary) start(args ...string) started {
	b.t.Helper()
	s := started{Cmd: b.command(b.t.Context(), args...), t: b.t}
	out, err := s.StdoutPipe()
	errs, err2 := s.StderrPipe()
	if err := errors.Join(err, err2, s.Start()); err != nil {
		b.t.Fatal(err)
	}
	s.out, s.err = newLines(b.t, out), newLines(b.t, errs)
	return s
}

// stop sends signals, and returns the code that the process exits with.
func (s started) stop(signals ...os.Signal) int {
	s.t.Helper()
	for _, sig := range signals {
		if err := s.Process.Signal(sig); err != nil {
			s.t.Fatal(err)
		}
	}
	for range s.out.next { // Wait closes the pipes
	}
	for range s.err.next {
	}
	return exitOf(s.t, s.Wait())
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	if !ok {
		return 0
	}
	return exit.ExitCode()
}

// serve runs all services and returns the address of kv-srv.
func (b binary) serve() (started, string) {
	b.t.Helper()
	begin := time.Now()
	s := b.start("serve")
	s.out.await("SERVICE")
	s.discovery = strings.Fields(s.out.await("discovery-srv"))[1]
	address := strings.Fields(s.out.await("kv-srv"))[1]
	b.t.Logf("serve took %s to print where it listens", time.Since(begin).Round(time.Millisecond))
	return s, address
}

// TestBinary runs the command as users do: built, over mDNS, with signals.
func TestBinary(t *testing.T) {
	b := build(t)
	for name, test := range map[string]func(binary){
		"every command": testEveryCommand, "cannot serve": testCannotServe, "second signal": testSecondSignal, "watch": testWatch, "ring": testKVRing,
	} {
		t.Run(name, func(t *testing.T) {
			b := b
			b.t = t
			test(b)
		})
	}
}

func testEveryCommand(b binary) {
	server, address := b.serve()

	b.want(b.run("", "services"), 0, address, "")
	b.want(b.run("", "call", "kv-srv"), 0, "KV.Watch  ", "")
	at := "--address=" + address
	b.want(b.run("hello", "kv", "put", "greeting", "-", at), 0, "\n", "")
	b.want(b.run("", "kv", "get", "greeting", at), 0, "hello", "")
	b.want(b.run("", "kv", "get", "nothing", at), 3, "", "error: not_found (kv.not_found): ")
	b.want(b.run("", "kv", "put", "greeting", "x", "--if-absent", at), 4, "", "error: already_exists (kv.exists): ")
	b.want(b.run("", "kv", "incr", "n", at), 0, "1\n", "")
	b.want(b.run("", "kv", "list", "--keys", at), 0, "greeting\nn\n", "")
	b.want(b.run(`{"key":"greeting"}`, "call", "kv", "KV.Get", at), 0, `"value":"aGVsbG8="`, "")
	b.want(b.run("", "call", "kv", "KV.Get", `{"key":"greeting","namespace":"NO"}`, at), 7, "", "error: invalid_argument: ")
	b.want(b.run("", "kv", "get", "greeting", "--address=127.0.0.1:1"), 6, "", "error: unavailable")
	b.want(b.run("", "serve", "kw"), 2, "", `no service "kw", did you mean kv? (have discovery-srv, kv-srv`)
	b.want(b.run("", "--version"), 0, "platform ", "")
	b.want(b.run("", "health", "kw"), 2, "", `no service "kw", did you mean kv? (have discovery-srv, kv-srv`)
	asked := b
	asked.env = slices.Concat(b.env, []string{"KV_ADDRESS=" + address, "DISCOVERY_ADDRESS=" + server.discovery})
	b.want(asked.run("", "health"), 0, "", "")
	defer func() { b.want(asked.run("", "health", "kv"), 1, "", "error: kv-srv: no answer at "+address) }()

	watch := b.start("kv", "watch", at)
	watch.err.await("Watching")
	b.run("", "kv", "put", "seen", "by the watch", at)
	watch.out.await("seen  by the watch")
	if code := watch.stop(os.Interrupt); code != 0 {
		b.t.Errorf("a watch with Ctrl-C: got exit code %d, want 0", code)
	}
	discovery := "--address=" + server.discovery
	b.want(b.run("", "discovery", "list"), 0, "SERVICE  UP", "")
	b.want(b.run("", "discovery", "get", "nothing", discovery), 3, "", "error: not_found (discovery.not_found): ")
	instances := b.start("discovery", "watch", discovery)
	instances.err.await("Watching")
	if code := instances.stop(os.Interrupt); code != 0 {
		b.t.Errorf("a watch of instances with Ctrl-C: got exit code %d, want 0", code)
	}
	if code := server.stop(syscall.SIGTERM); code != 0 {
		b.t.Errorf("serve with SIGTERM: got exit code %d, want 0", code)
	}
}

// testCannotServe has the reasons told.
func testCannotServe(b binary) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	defer taken.Close()
	env := b.env
	b.env = slices.Concat(env, []string{"KV_ADDRESS=" + taken.Addr().String()})
	b.want(b.run("", "serve"), 1, "", "address already in use: does it run already? Else set KV_ADDRESS to another")
	b.env = slices.Concat(env, []string{"KV_STORE=mongo://x"})
	b.want(b.run("", "serve"), 2, "", `error: KV_STORE: no backend for scheme "mongo" (have `)
	b.env = slices.Concat(env, []string{"PLATFORM_DRAIN=soon"})
	b.want(b.run("", "serve"), 2, "", "error: PLATFORM_DRAIN: ")
}

// testSecondSignal ends a server at once although a call is in flight.
func testSecondSignal(b binary) {
	server, address := b.serve()
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	// A request that waits for the rest of its body.
	fmt.Fprintf(c, "POST /micro.kv.v1.KV/Get HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", address)
	if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 100"))); err != nil {
		b.t.Fatal(err) // the service reads the body now
	}
	begin := time.Now()
	if code := server.stop(syscall.SIGTERM, syscall.SIGINT); code != 130 {
		b.t.Errorf("got exit code %d, want 130", code)
	}
	if took := time.Since(begin); took > 5*time.Second { // to drain takes ten
		b.t.Errorf("it took %s", took)
	}
}
