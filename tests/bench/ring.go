package main

import (
	"context"
	"fmt"
	"time"
)

// rings are the numbers of nodes that are measured.
func rings() []int { return []int{1, 3, 5} }

// ringLine compares calls to a ring, spread over its nodes, with calls to one process
// without a ring.
type ringLine struct {
	size    int
	do      operation
	callers int
}

func (l ringLine) name() string {
	return fmt.Sprintf("kv %s, ring of %d, memory: alone", l.do.name, l.size)
}

// onRing measures what a ring costs as it grows.
func (o options) onRing(ctx context.Context, is wanted) error {
	var all []ringLine
	for _, size := range rings() {
		for _, do := range []operation{gets(), puts()} {
			for _, callers := range []int{1, 64} {
				if l := (ringLine{size, do, callers}); is(l.name(), callers) {
					all = append(all, l)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Printf("%-56s %6s  %-14s %9s %9s  %8s %8s  %8s %8s\n", "what, callers", "ratio", "min .. max",
		"ring/s", "alone/s", "ring µs", "alone µs", "ring p50", "alone p50")
	alone, err := startAlone(ctx, o.profile)
	if err != nil {
		return err
	}
	defer alone.stop()
	for _, size := range rings() {
		if err := o.ofSize(ctx, size, all, alone); err != nil {
			return fmt.Errorf("ring of %d: %w", size, err)
		}
	}
	return nil
}

// ofSize measures those of all lines that are of one ring.
func (o options) ofSize(ctx context.Context, size int, all []ringLine, alone nodes) error {
	var mine []ringLine
	for _, l := range all {
		if l.size == size {
			mine = append(mine, l)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	ring, err := startRing(ctx, size, o.profile)
	if err != nil {
		return err
	}
	defer ring.stop()
	for _, l := range mine {
		if err := l.measure(ctx, o, ring, alone); err != nil {
			return fmt.Errorf("%s: %w", l.name(), err)
		}
	}
	return nil
}

// measure runs both in turn and prints, after the columns of a pair, the medians of the
// time that all processes work for a call, and of what a call lasts.
func (l ringLine) measure(ctx context.Context, o options, ring, alone nodes) error {
	ours, err := ring.open(l.do)
	if err != nil {
		return err
	}
	defer ours.hangUp()
	peer, err := alone.open(l.do)
	if err != nil {
		return err
	}
	defer peer.hangUp()
	found, err := measurement{callers: l.callers, each: 1}.pairs(ctx, o, ours, peer)
	if err != nil {
		return err
	}
	found.print(l.name(), l.callers)
	for _, of := range []func(run) time.Duration{func(r run) time.Duration { return r.cpu }, func(r run) time.Duration { return r.p50 }} {
		a, b := found.medians(of)
		fmt.Printf("  %8.1f %8.1f", micros(a), micros(b))
	}
	fmt.Println()
	return nil
}

// open connects to all nodes for an operation. Who closes it stops none of them.
func (n nodes) open(o operation) (*connected, error) {
	i, err := n.dial()
	if err != nil {
		return nil, err
	}
	call, hangUp, err := i.stocked(o)
	if err != nil {
		return nil, err
	}
	return &connected{n, call, hangUp}, nil
}
