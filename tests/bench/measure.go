package main

import (
	"cmp"
	"context"
	"crypto/tls"
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
	each       int // messages of a call
	tls        bool
}

// target is a server and a way to call it.
type target struct {
	server string // for beServer
	dial   dialer
}

// dialer connects to a server, with TLS if secure is not nil.
type dialer func(address string, secure *tls.Config) (call caller, hangUp func(), err error)

// caller makes one call. It may be called at once.
type caller func(context.Context) error

// run is what one run has shown, of each message.
type run struct {
	rate float64 // per second
	cpu  time.Duration
}

// measure runs ours and peer in turn and prints the median of the ratios, and of the
// time that a server works for a message: it swings less on a busy machine.
func (m measurement) measure(ctx context.Context, o options) error {
	keys := ""
	if m.tls {
		keys = o.keys
	}
	ours, err := m.ours.open(ctx, o.profile, keys)
	if err != nil {
		return err
	}
	defer ours.close()
	peer, err := m.peer.open(ctx, o.profile, keys)
	if err != nil {
		return err
	}
	defer peer.close()
	var ratios, a, b []float64
	var cpuA, cpuB []time.Duration
	for i := range o.pairs + 1 {
		x, y, err := m.pair(ctx, ours, peer, o.length, i%2 == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first pair warms up
		}
		ratios, a, b = append(ratios, x.rate/y.rate), append(a, x.rate), append(b, y.rate)
		cpuA, cpuB = append(cpuA, x.cpu), append(cpuB, y.cpu)
	}
	slices.Sort(ratios)
	fmt.Printf("%-56s %6.2f  %5.2f .. %-5.2f %9.0f %9.0f  %8.1f %8.1f\n", fmt.Sprintf("%s, %d", m.name, m.callers),
		median(ratios), ratios[0], ratios[len(ratios)-1], median(a), median(b), micros(median(cpuA)), micros(median(cpuB)))
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// pair runs both; who comes first changes, for the second finds the machine as the
// first has left it.
func (m measurement) pair(ctx context.Context, ours, peer *connected, length time.Duration, oursFirst bool) (x, y run, err error) {
	if !oursFirst {
		y, x, err = m.pair(ctx, peer, ours, length, true)
		return x, y, err
	}
	if x, err = m.once(ctx, ours, length); err != nil {
		return x, y, err
	}
	y, err = m.once(ctx, peer, length)
	return x, y, err
}

func (m measurement) once(ctx context.Context, c *connected, length time.Duration) (run, error) {
	before, err := c.process.cpu()
	if err != nil {
		return run{}, err
	}
	calls, took, err := load(ctx, c.call, m.callers, length)
	if err != nil {
		return run{}, fmt.Errorf("call: %w", err)
	}
	after, err := c.process.cpu()
	messages := calls * int64(m.each)
	return run{float64(messages) / took.Seconds(), (after - before) / time.Duration(messages)}, err
}

// connected is a server and a way to call it.
type connected struct {
	process *process
	call    caller
	hangUp  func()
}

func (t target) open(ctx context.Context, profile, keys string) (*connected, error) {
	secure, err := clientTLS(keys)
	if err != nil {
		return nil, err
	}
	p, err := startServer(ctx, t.server, profile, keys)
	if err != nil {
		return nil, err
	}
	call, hangUp, err := t.dial(p.address, secure)
	if err != nil {
		p.stop()
		return nil, err
	}
	return &connected{p, call, hangUp}, nil
}

func (c *connected) close() {
	c.hangUp()
	c.process.stop()
}

// load makes calls for a while. A stalled call counts as what it cost.
func load(ctx context.Context, call caller, callers int, length time.Duration) (calls int64, took time.Duration, err error) {
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
	took = time.Since(start)
	select {
	case err = <-errs:
	default:
	}
	return n.Load(), took, err
}

func median[T cmp.Ordered](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
