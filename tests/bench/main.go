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
	"runtime/pprof"
	"strings"
	"time"
)

func main() {
	serve := flag.String("serve", "", "be this server, for a bench in another process")
	only := flag.String("run", "", "measure only what has this in its name")
	pairs := flag.Int("pairs", 20, "pairs of runs of each measurement")
	profile := flag.String("profile", "", "folder for a CPU profile of each server")
	length := flag.Duration("length", 300*time.Millisecond, "length of one run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *serve, *only, *profile, *pairs, *length)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, serve, only, profile string, pairs int, length time.Duration) error {
	if serve != "" {
		return profiled(profile, serve, func() error { return beServer(ctx, serve) })
	}
	fmt.Printf("%-44s %8s  %-17s %10s %10s\n", "", "ratio", "min .. max", "ours/s", "peer/s")
	for _, m := range measurements() {
		if !strings.Contains(m.name, only) {
			continue
		}
		if err := m.measure(ctx, profile, pairs, length); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if only == "" || only == "chain" {
		return benchChain()
	}
	return nil
}

// profiled runs f and writes its CPU profile to a file called name in folder, if any.
func profiled(folder, name string, f func() error) error {
	if folder == "" {
		return f()
	}
	file, err := os.Create(filepath.Join(folder, name+".prof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}
