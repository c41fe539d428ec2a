package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// result is what a command has left.
type result struct {
	code     int
	out, err string
}

// command is a command line whose process a test can change.
type command struct {
	t *testing.T
	process
}

// newCommand runs kv-srv and echo-srv, and returns what finds them in their registry.
func newCommand(t *testing.T) command {
	t.Helper()
	c, _ := newCommandOf(t, nil)
	return c
}

// newCommandOf is newCommand with settings of the services, which it returns as well.
func newCommandOf(t *testing.T, env map[string]string) (command, *hosttest.Platform) {
	t.Helper()
	p := hosttest.Run(t, env, kvserver.Service(), echo.Service(&echo.Handler{}))
	return command{t, process{
		stdin: strings.NewReader(""), stdinTerminal: true, getenv: func(string) string { return "" },
		registry: p.Registry, services: services(),
	}}, p
}

// run runs a command line to its end.
func (c command) run(args ...string) result {
	c.t.Helper()
	return c.runIn(c.t.Context(), args...)
}

func (c command) runIn(ctx context.Context, args ...string) result {
	c.t.Helper()
	var out, errs bytes.Buffer
	c.args, c.stdout, c.stderr = append([]string{"platform"}, args...), &out, &errs
	return result{run(ctx, c.process), out.String(), errs.String()}
}

// with returns c with what is piped into it.
func (c command) with(stdin string) command {
	c.stdin, c.stdinTerminal = strings.NewReader(stdin), false
	return c
}

// onTerminal returns c with its output on a terminal.
func (c command) onTerminal() command {
	c.stdoutTerminal = true
	return c
}

// want fails unless r has a code and a part of what went to stdout and to stderr; ""
// wants nothing there.
func (c command) want(r result, code int, out, errs string) {
	c.t.Helper()
	if r.code != code {
		c.t.Errorf("got exit code %d, want %d", r.code, code)
	}
	if !strings.Contains(r.out, out) || (out == "") != (r.out == "") {
		c.t.Errorf("got output %q, want %q in it", r.out, out)
	}
	if !strings.Contains(r.err, errs) || (errs == "") != (r.err == "") {
		c.t.Errorf("got errors %q, want %q in them", r.err, errs)
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// start runs a command line until the function that it returns is called or it ends,
// and returns where what it writes can be read.
func (c command) start(args ...string) (stdout, stderr *lines, stop func() int) {
	c.t.Helper()
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	ctx, cancel := context.WithCancel(c.t.Context())
	c.args, c.stdout, c.stderr = append([]string{"platform"}, args...), outW, errW
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, c.process)
		outW.Close()
		errW.Close()
	}()
	stdout, stderr = newLines(c.t, outR), newLines(c.t, errR)
	return stdout, stderr, func() int {
		cancel()
		return <-code
	}
}
