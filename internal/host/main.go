package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"

	"github.com/micro/platform/internal/buildinfo"
	"github.com/micro/platform/internal/heapfloor"
	_ "github.com/micro/platform/internal/securetls" // before anything makes a connection
)

// The exit codes of a process that runs services.
const (
	ExitFailure     = 1   // a service could not start, or failed
	ExitUsage       = 2   // a wrong argument or setting
	ExitInterrupted = 130 // a second signal
)

// Main is the whole of a service's main function. It exits when the process was told
// to stop.
func Main(services ...Service) {
	os.Exit(main(os.Args, os.Stdout, services))
}

func main(args []string, out io.Writer, services []Service) int {
	name := services[0].Name
	switch {
	case len(args) == 1:
	case len(args) == 2 && (args[1] == "-h" || args[1] == "--help"):
		fmt.Fprintf(out, "Usage: %[1]s [health | restore [--replace] FILE | -h | --version]\n\nRuns %[1]s until it is told to stop. health asks the one that runs on this machine\nwith the same settings whether it is ready: exit code 0, else 1 and why. restore makes\nof a backup (FILE, or - for stdin) what it keeps below PLATFORM_DATA while it does not\nrun, and with --replace in place of what is there.\n\n"+
			"Settings are environment variables; each may stand in a file that NAME_FILE names.\n\n", name)
		WriteSettings(out, services...)
		return 0
	case len(args) == 2 && args[1] == "--version":
		fmt.Fprintln(out, buildinfo.Line(name))
		return 0
	case len(args) == 2 && args[1] == "health":
		return ExitCode(os.Stderr, Health(context.Background(), os.Getenv, services...))
	case len(args) >= 3 && args[1] == "restore":
		return restore(args[2:], out, services[0])
	default:
		fmt.Fprintf(os.Stderr, "%s: takes no argument %q (settings are environment variables: %s -h)\n", name, strings.Join(args[1:], " "), name)
		return ExitUsage
	}
	heapfloor.Hold()
	ctx, stop := Interruptible(context.Background())
	defer stop()
	return ExitCode(os.Stderr, Run(ctx, Process{Getenv: os.Getenv, Stderr: os.Stderr}, services...))
}

// Interruptible returns a context that ends with the first signal to stop, or with the
// function that it returns. The second signal ends the process at once.
func Interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if n > 0 {
				fmt.Fprintln(os.Stderr, "a second signal: ending at once, calls in flight are lost")
				os.Exit(ExitInterrupted)
			}
			cancel()
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
		cancel()
	})
}

// ExitCode writes what Run has returned for people and returns the code to exit with.
func ExitCode(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "error:", strings.ReplaceAll(err.Error(), "\n", "\n       "))
	if _, ok := errors.AsType[*ConfigError](err); ok {
		return ExitUsage
	}
	return ExitFailure
}

// WriteSettings lists the settings of services, each once.
func WriteSettings(w io.Writer, services ...Service) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	seen := map[string]bool{}
	for _, s := range services {
		for _, v := range s.settings() {
			if seen[v.Name] {
				continue
			}
			seen[v.Name] = true
			fmt.Fprintf(t, "%s\t%s\t%s\n", v.Name, v.Default, v.Help)
		}
	}
	_ = t.Flush() // to the terminal
}
