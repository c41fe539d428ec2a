// Command platform runs the services of the platform and calls them.
package main

import (
	"context"
	"os"

	"golang.org/x/term"

	"github.com/micro/platform/internal/heapfloor"
	"github.com/micro/platform/internal/host"
)

func main() {
	heapfloor.Hold()
	ctx, stop := host.Interruptible(context.Background())
	code := run(ctx, process{
		args:           os.Args,
		stdin:          os.Stdin,
		stdout:         os.Stdout,
		stderr:         os.Stderr,
		stdinTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stdoutSize:     stdoutSize,
		getenv:         os.Getenv,
		services:       services(),
	})
	stop()
	os.Exit(code)
}

// stdoutSize is that of the terminal; zero if it cannot be told.
func stdoutSize() (width, height int) {
	width, height, _ = term.GetSize(int(os.Stdout.Fd()))
	return width, height
}
