package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v3"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/host"
)

// process is what the command finds in its process. It uses nothing else of it.
type process struct {
	args           []string // with the name of the program
	stdin          io.Reader
	stdout, stderr io.Writer
	stdinTerminal  bool
	stdoutTerminal bool
	stdoutSize     func() (width, height int) // of the terminal; may be nil
	getenv         func(string) string
	services       []host.Service

	// registry is used instead of the one that settings name, if not nil.
	registry registry.Registry
}

// app runs one command line.
type app struct {
	process
	out *sink // stdout
}

// run runs the command line of p until it is done or ctx ends, and returns the code to
// exit with.
func run(ctx context.Context, p process) int {
	a := &app{process: p, out: &sink{w: p.stdout}}
	err := a.root().Run(ctx, p.args)
	if err == nil {
		err = a.out.err
	}
	return a.exit(ctx, err)
}

// sink remembers that writing failed, so that a full disk is no success.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}

// env is the environment with what the flags of cmd say instead.
func (a *app) env(cmd *cli.Command) func(string) string {
	instead := map[string]string{}
	for name, flag := range map[string]string{
		"PLATFORM_REGISTRY": flagRegistry, "PLATFORM_TLS_CA": flagCA, "PLATFORM_TLS_CERT": flagCert,
		"PLATFORM_TLS_KEY": flagKey, "PLATFORM_TLS_SERVER_NAME": flagServerName,
	} {
		if value := cmd.String(flag); value != "" {
			instead[name], instead[name+"_FILE"] = value, ""
		}
	}
	return func(name string) string {
		if value, ok := instead[name]; ok {
			return value
		}
		return a.getenv(name)
	}
}

// asJSON tells whether cmd is to print JSON.
func asJSON(cmd *cli.Command) bool { return cmd.String(flagOutput) == "json" }
