package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// kept is how many items of 100 bytes, under keys of 12, there are when memory is measured.
const kept = 100_000

// keptPrefix makes keys of 12 bytes.
const keptPrefix = "items/"

// footprint is what servers hold, all together, in bytes.
type footprint struct {
	own      float64 // as they count it themselves
	heap     float64 // of Go, after a collection; 0: no Go
	resident float64 // after what was unused is given back
	found    float64 // resident, before
}

// holder is servers that hold items.
type holder interface {
	fill(ctx context.Context) error // with kept items
	footprint(ctx context.Context) (footprint, error)
	stop()
}

// kind is one of those whose memory is measured.
type kind struct {
	name  string
	needs string // a binary; may be ""
	start func(ctx context.Context) (holder, error)
}

func (k kind) line() string { return "memory per item of 100 bytes, " + k.name }

func (o options) kinds() []kind {
	all := []kind{{name: "memory: alone", start: func(ctx context.Context) (holder, error) { return startAlone(ctx, "") }}}
	for _, size := range rings() {
		all = append(all, kind{name: fmt.Sprintf("ring of %d", size), start: func(ctx context.Context) (holder, error) { return startRing(ctx, size, "") }})
	}
	return append(all, kind{name: "Redis", needs: "redis-server", start: func(ctx context.Context) (holder, error) {
		return startRedis(ctx, filepath.Join(o.keys, "redis"))
	}})
}

// perItem prints what an item takes in the memory of one process, of rings and of Redis:
// what all processes together hold more of when the items are there.
func (o options) perItem(ctx context.Context, is wanted) error {
	title := fmt.Sprintf("%-56s %6s %6s %8s  %8s\n", "what, bytes", "counts", "heap", "resident", "MiB")
	for _, k := range o.kinds() {
		if !is(k.line(), 1) {
			continue
		}
		if k.needs != "" {
			if _, err := exec.LookPath(k.needs); err != nil {
				fmt.Printf("left out, of memory: there is no %s (%s install redis)\n", k.needs, script)
				continue
			}
		}
		fmt.Print(title)
		title = ""
		if err := k.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", k.line(), err)
		}
	}
	return nil
}

// measure prints what an item takes by each count, and what the processes were found to
// have of memory, before they gave back what they had no use for.
func (k kind) measure(ctx context.Context) error {
	h, err := k.start(ctx)
	if err != nil {
		return err
	}
	defer h.stop()
	before, err := h.footprint(ctx)
	if err != nil {
		return err
	}
	if err := h.fill(ctx); err != nil {
		return err
	}
	after, err := h.footprint(ctx)
	if err != nil {
		return err
	}
	heap := "-"
	if after.heap > 0 {
		heap = fmt.Sprintf("%.0f", (after.heap-before.heap)/kept)
	}
	fmt.Printf("%-56s %6.0f %6s %8.0f  %8.0f\n", k.line(), (after.own-before.own)/kept, heap,
		(after.resident-before.resident)/kept, after.found/(1<<20))
	return nil
}
