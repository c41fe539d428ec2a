package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// measurement compares calls to ours with calls to a peer.
type measurement struct {
	name       string
	ours, peer target
	callers    int
}

// target is a server and a way to call it.
type target struct {
	server string // for beServer
	dial   func(address string) (call caller, hangUp func(), err error)
}

// caller makes one call. It may be called at once.
type caller func(context.Context) error

// measure runs ours and peer in turn and prints the median of the ratios.
func (m measurement) measure(ctx context.Context, profile string, pairs int, length time.Duration) error {
	ours, stopOurs, err := m.ours.open(ctx, profile)
	if err != nil {
		return err
	}
	defer stopOurs()
	peer, stopPeer, err := m.peer.open(ctx, profile)
	if err != nil {
		return err
	}
	defer stopPeer()
	var ratios, a, b []float64
	for i := range pairs + 1 {
		x, y, err := m.pair(ctx, ours, peer, length, i%2 == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first pair warms up
		}
		ratios, a, b = append(ratios, x/y), append(a, x), append(b, y)
	}
	slices.Sort(ratios)
	fmt.Printf("%-44s %8.2f  %5.2f .. %-8.2f %10.0f %10.0f\n", fmt.Sprintf("%s, %d callers", m.name, m.callers),
		median(ratios), ratios[0], ratios[len(ratios)-1], median(a), median(b))
	return nil
}

// pair runs both; who comes first changes, for the second finds the machine as the
// first has left it.
func (m measurement) pair(ctx context.Context, ours, peer caller, length time.Duration, oursFirst bool) (x, y float64, err error) {
	if !oursFirst {
		y, x, err = measurement{callers: m.callers}.pair(ctx, peer, ours, length, true)
		return x, y, err
	}
	if x, err = rate(ctx, ours, m.callers, length); err != nil {
		return 0, 0, fmt.Errorf("call %s: %w", m.name, err)
	}
	y, err = rate(ctx, peer, m.callers, length)
	return x, y, err
}

func (t target) open(ctx context.Context, profile string) (caller, func(), error) {
	address, stop, err := startServer(ctx, t.server, profile)
	if err != nil {
		return nil, nil, err
	}
	call, hangUp, err := t.dial(address)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return call, func() { hangUp(); stop() }, nil
}

// rate returns calls per second. A stalled call counts as what it cost.
func rate(ctx context.Context, call caller, callers int, length time.Duration) (float64, error) {
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(start) < length {
				if err := call(ctx); err != nil {
					errs <- err
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(n.Load()) / took.Seconds(), nil
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
