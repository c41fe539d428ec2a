package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// onDisk measures the store of disk: beside bare pebble. That store is kv's own: what
// measures it, in one process, is a benchmark there, and this prints its results.
func (o options) onDisk(ctx context.Context, is wanted) error {
	name := func(operation string) string { return "disk: without port, bare pebble, " + operation }
	if !is(name("Put"), 1) && !is(name("Put"), 64) && !is(name("Get"), 1) && !is(name("Get"), 64) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkBesidePebble$", "-timeout", "10m",
		"-benchtime", fmt.Sprintf("%dx", o.pairs), "./kv-srv/internal/store/disk")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("disk: %w: %s", err, out)
	}
	lines := regexp.MustCompile(`(?m)^BenchmarkBesidePebble/(\w+)/callers=(\d+)\S*\s+\d+\s(.*)$`).FindAllStringSubmatch(string(out), -1)
	if len(lines) != 4 {
		return fmt.Errorf("disk: %d lines, want 4: %s", len(lines), out)
	}
	for _, line := range lines {
		var callers int
		if _, err := fmt.Sscan(line[2], &callers); err != nil {
			return fmt.Errorf("disk: %q: %w", line[0], err)
		}
		if !is(name(line[1]), callers) {
			continue
		}
		found, err := metrics(line[3])
		if err != nil {
			return err
		}
		printPairs(name(line[1]), callers, []float64{found["ratio"], found["min"], found["max"]}, found["ours/s"], found["peer/s"])
		fmt.Printf("  %8s %8s\n", "-", "-")
	}
	return nil
}

// metrics reads what a benchmark has reported: numbers, each before its unit.
func metrics(line string) (map[string]float64, error) {
	found, words := make(map[string]float64), strings.Fields(line)
	for i := 0; i+1 < len(words); i += 2 {
		var value float64
		if _, err := fmt.Sscan(words[i], &value); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		found[words[i+1]] = value
	}
	return found, nil
}
