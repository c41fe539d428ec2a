package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// addition compares calls to kv-srv on a backend with those of the backend's own client,
// and what is between with an echo of the port.
type addition struct {
	name           string
	kv, bare, echo target
	callers        int
}

// slack is what kv may add beside an echo.
const slack = 50 * time.Microsecond

// additions are what kv adds to a backend.
func additions(b backend, where *url.URL) []addition {
	var all []addition
	for _, o := range []operation{gets(), puts()} {
		for _, callers := range []int{1, 64} {
			all = append(all, addition{
				name: fmt.Sprintf("kv %s on %s, bare client", o.name, b.name),
				kv:   target{"kv=" + where.String(), onKV(o)}, bare: target{"", bare(b, where, o)}, echo: target{"port", dialEcho},
				callers: callers,
			})
		}
	}
	return all
}

// batches compares a request for many items in memory with that of Redis.
func batches(b backend, where *url.URL) []measurement {
	var all []measurement
	for _, callers := range []int{1, 64} {
		all = append(all, measurement{
			name: fmt.Sprintf("kv BatchGet of %d in memory, MGET of %s", batch, b.name),
			ours: target{"kv", onKV(batchGets())}, peer: target{"", bare(b, where, batchGets())}, callers: callers, each: 1,
		})
	}
	return all
}

// measure runs the three in turn and prints, after the columns of a pair, the medians of
// what a call lasts, of what kv adds and of what it may add.
func (a addition) measure(ctx context.Context, o options) error {
	var open []*connected
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	for _, t := range []target{a.kv, a.bare, a.echo} {
		c, err := t.open(ctx, o.profile, "")
		if err != nil {
			return err
		}
		open = append(open, c)
	}
	var ratios, rates, bares []float64
	var kv, bare, added, allowed []time.Duration
	for i := range o.pairs + 1 {
		runs, err := a.round(ctx, open, o.length, i%2 == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first round warms up
		}
		ratios = append(ratios, runs[0].rate/runs[1].rate)
		rates, bares = append(rates, runs[0].rate), append(bares, runs[1].rate)
		kv, bare = append(kv, runs[0].p50), append(bare, runs[1].p50)
		added, allowed = append(added, runs[0].p50-runs[1].p50), append(allowed, runs[2].p50+slack)
	}
	printPairs(a.name, a.callers, ratios, median(rates), median(bares))
	fmt.Printf("  %8.0f %8.0f  %6.0f  %5.0f .. %-5.0f %8.0f\n", micros(median(kv)), micros(median(bare)),
		micros(median(added)), micros(slices.Min(added)), micros(slices.Max(added)), micros(median(allowed)))
	return nil
}

// round runs all, forwards or backwards.
func (a addition) round(ctx context.Context, open []*connected, length time.Duration, forwards bool) ([]run, error) {
	runs := make([]run, len(open))
	for i := range open {
		if !forwards {
			i = len(open) - 1 - i
		}
		var err error
		if runs[i], err = open[i].once(ctx, a.callers, 1, length); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// onBackends measures what needs a server that is not ours, and says what it leaves out.
// The servers that it starts have a folder below dir.
func (o options) onBackends(ctx context.Context, dir string, is wanted) error {
	var all []addition
	var ends []func()
	defer func() {
		for _, end := range ends {
			end()
		}
	}()
	for _, b := range backends() {
		if pairs, added := b.lines(new(url.URL), is); len(pairs)+len(added) == 0 {
			continue
		}
		where, end, err := b.find(ctx, dir)
		if err != nil {
			fmt.Printf("left out, of %s: %v\n", b.name, err)
			continue
		}
		ends = append(ends, end)
		pairs, added := b.lines(where, is)
		for _, m := range pairs {
			if err := m.measure(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		all = append(all, added...)
	}
	return o.added(ctx, all)
}

func (o options) added(ctx context.Context, all []addition) error {
	if len(all) > 0 {
		fmt.Printf("%-56s %6s  %-14s %9s %9s  %8s %8s  %6s  %-14s %8s\n", "what, callers", "ratio", "min .. max",
			"kv/s", "bare/s", "kv p50", "bare p50", "adds", "min .. max µs", "may add")
	}
	for _, a := range all {
		if err := a.measure(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// lines are those of a backend that are wanted.
func (b backend) lines(where *url.URL, is wanted) (pairs []measurement, added []addition) {
	if b.name == "redis" {
		pairs = slices.DeleteFunc(batches(b, where), func(m measurement) bool { return !is(m.name, m.callers) })
	}
	return pairs, slices.DeleteFunc(additions(b, where), func(a addition) bool { return !is(a.name, a.callers) })
}
