// Command bench measures the platform beside its peers: pairs of runs in turn, a
// server and its callers in processes of their own, and prints ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"time"
)

func main() {
	var o options
	serve := flag.String("serve", "", "be this server, for a bench in another process")
	flag.StringVar(&o.only, "run", "", "measure only what this regular expression finds")
	flag.IntVar(&o.callers, "callers", 0, "measure only with so many callers")
	flag.IntVar(&o.pairs, "pairs", 12, "pairs of runs of each measurement")
	flag.StringVar(&o.profile, "profile", "", "folder for profiles of each server: time (.cpu) and memory (.allocs)")
	flag.StringVar(&o.keys, "keys", "", "folder of the certificate that -serve has")
	flag.DurationVar(&o.length, "length", 300*time.Millisecond, "length of one run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := o.run(ctx, *serve)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	only, profile, keys string
	callers, pairs      int
	length              time.Duration
}

// wanted tells whether a line is to be measured.
type wanted func(name string, callers int) bool

func (o options) run(ctx context.Context, serve string) error {
	if serve != "" {
		return profiled(o.profile, serve, func() error { return beServer(ctx, serve, o.keys) })
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if o.keys, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(o.keys) //nolint:errcheck // of a temporary folder
	if err := writeKeys(o.keys); err != nil {
		return err
	}
	fmt.Printf("%-56s %6s  %-14s %9s %9s  %8s %8s\n", "what, callers", "ratio", "min .. max", "ours/s", "peer/s", "ours µs", "peer µs")
	is := func(name string, callers int) bool {
		return only.MatchString(name) && (o.callers == 0 || o.callers == callers)
	}
	for _, m := range measurements() {
		if !is(m.name, m.callers) {
			continue
		}
		if err := m.measure(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if err := o.onNear(ctx, is); err != nil {
		return err
	}
	if err := o.onDisk(ctx, is); err != nil {
		return err
	}
	if err := o.onBackends(ctx, filepath.Join(o.keys, "backends"), is); err != nil {
		return err
	}
	if err := o.onRESP(ctx, is); err != nil {
		return err
	}
	if err := o.onRing(ctx, is); err != nil {
		return err
	}
	if err := o.perItem(ctx, is); err != nil {
		return err
	}
	if err := o.onDiscovery(ctx, is); err != nil {
		return err
	}
	if err := o.onPages(ctx, is); err != nil {
		return err
	}
	if only.MatchString("chain") {
		return benchChain()
	}
	return nil
}

// profiled runs f and writes, into folder if any, what took time and what took memory.
func profiled(folder, name string, f func() error) error {
	if folder == "" {
		return f()
	}
	times, err := os.Create(filepath.Join(folder, name+".cpu"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(times); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	memory, failed := os.Create(filepath.Join(folder, name+".allocs"))
	if failed != nil {
		return errors.Join(err, times.Close(), failed)
	}
	return errors.Join(err, times.Close(), pprof.Lookup("allocs").WriteTo(memory, 0), memory.Close())
}
