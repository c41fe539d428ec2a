package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
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
	server string // for beServer; "" for one that runs already
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
	p50  time.Duration // of a call
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
	found, err := m.pairs(ctx, o, ours, peer)
	if err != nil {
		return err
	}
	found.print(m.name, m.callers)
	cpuA, cpuB := found.medians(func(r run) time.Duration { return r.cpu })
	fmt.Printf("  %8.1f %8s\n", micros(cpuA), m.peer.worked(cpuB))
	return nil
}

// pairs are runs in turn.
type pairs struct{ ours, peer []run }

// pairs runs ours and peer as often as the flags say.
func (m measurement) pairs(ctx context.Context, o options, ours, peer *connected) (pairs, error) {
	var all pairs
	for i := range o.pairs + 1 {
		x, y, err := m.pair(ctx, ours, peer, o.length, i%2 == 0)
		if err != nil {
			return pairs{}, err
		}
		if i > 0 { // the first pair warms up
			all.ours, all.peer = append(all.ours, x), append(all.peer, y)
		}
	}
	return all, nil
}

// print prints the columns that all pairs have.
func (p pairs) print(name string, callers int) {
	var ratios, ours, peer []float64
	for i, x := range p.ours {
		y := p.peer[i]
		ratios, ours, peer = append(ratios, x.rate/y.rate), append(ours, x.rate), append(peer, y.rate)
	}
	printPairs(name, callers, ratios, median(ours), median(peer))
}

// medians are those of one figure.
func (p pairs) medians(of func(run) time.Duration) (ours, peer time.Duration) {
	var a, b []time.Duration
	for i, x := range p.ours {
		a, b = append(a, of(x)), append(b, of(p.peer[i]))
	}
	return median(a), median(b)
}

// printPairs prints the columns that all pairs have.
func printPairs(name string, callers int, ratios []float64, ours, peer float64) {
	fmt.Printf("%-56s %6.2f  %5.2f .. %-5.2f %9.0f %9.0f", fmt.Sprintf("%s, %d", name, callers),
		median(ratios), slices.Min(ratios), slices.Max(ratios), ours, peer)
}

// worked is the time that a server has worked for a message, if that is known.
func (t target) worked(d time.Duration) string {
	if t.server == "" {
		return "-"
	}
	return fmt.Sprintf("%.1f", micros(d))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// pair runs both; who comes first changes, for the second finds the machine as the
// first has left it.
func (m measurement) pair(ctx context.Context, ours, peer *connected, length time.Duration, oursFirst bool) (x, y run, err error) {
	if !oursFirst {
		y, x, err = m.pair(ctx, peer, ours, length, true)
		return x, y, err
	}
	if x, err = ours.once(ctx, m.callers, m.each, length); err != nil {
		return x, y, err
	}
	y, err = peer.once(ctx, m.callers, m.each, length)
	return x, y, err
}

// once makes calls of so many messages each.
func (c *connected) once(ctx context.Context, callers, each int, length time.Duration) (run, error) {
	before, err := c.process.cpu()
	if err != nil {
		return run{}, err
	}
	lasted, took, err := load(ctx, c.call, callers, length)
	if err != nil {
		return run{}, fmt.Errorf("call: %w", err)
	}
	after, err := c.process.cpu()
	messages := len(lasted) * each
	return run{float64(messages) / took.Seconds(), (after - before) / time.Duration(messages), median(lasted)}, err
}

// working is a server, of one process or several, whose time is known.
type working interface {
	cpu() (time.Duration, error)
	stop()
}

// connected is a server and a way to call it.
type connected struct {
	process working
	call    caller
	hangUp  func()
}

func (t target) open(ctx context.Context, profile, keys string) (*connected, error) {
	secure, err := clientTLS(keys)
	if err != nil {
		return nil, err
	}
	p := &process{}
	if t.server != "" {
		if p, err = startServer(ctx, t.server, profile, keys); err != nil {
			return nil, err
		}
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

// load makes calls for a while and returns how long each has lasted. A stalled call
// counts as what it cost.
func load(ctx context.Context, call caller, callers int, length time.Duration) (lasted []time.Duration, took time.Duration, err error) {
	var wg sync.WaitGroup
	errs, all := make(chan error, callers), make([][]time.Duration, callers)
	start := time.Now()
	for i := range callers {
		wg.Go(func() {
			for before := start; before.Sub(start) < length; {
				if err := call(ctx); err != nil {
					errs <- err
					return
				}
				after := time.Now()
				all[i] = append(all[i], after.Sub(before))
				before = after
			}
		})
	}
	wg.Wait()
	took = time.Since(start)
	select {
	case err = <-errs:
	default:
	}
	return slices.Concat(all...), took, err
}

func median[T cmp.Ordered](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
