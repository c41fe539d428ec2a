package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	registryMethod = "/micro.discovery.v1.Registry/"

	// perService is how many instances a service has.
	perService = 100
)

// fleets are how many instances there are when something is measured.
func fleets() []int { return []int{1_000, 10_000, 100_000} }

// onDiscovery measures discovery.
func (o options) onDiscovery(ctx context.Context, is wanted) error {
	for _, n := range fleets() {
		if name := fmt.Sprintf("discovery, %d instances", n); is(name, 1) {
			if err := o.ofFleet(ctx, n); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if is("discovery, watchers", watchers) {
		if err := o.onWatchers(ctx); err != nil {
			return fmt.Errorf("discovery, watchers: %w", err)
		}
	}
	return o.onRegistries(ctx, is)
}

// ofFleet registers so many instances at one node, and renews them.
func (o options) ofFleet(ctx context.Context, n int) error {
	p, err := startServer(ctx, "discovery", o.profile, "")
	if err != nil {
		return err
	}
	defer p.stop()
	c, err := dialGRPC(p.address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	empty, err := p.heap(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	leases, err := enlist(ctx, c, n)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	full, err := p.heap(ctx)
	if err != nil {
		return err
	}
	counted, err := p.gauges(ctx, "discovery_bytes")
	if err != nil {
		return err
	}
	fmt.Printf("%-56s %9.0f/s registered, %5.0f bytes of heap each, counted as %.0f\n", fmt.Sprintf("discovery, %d instances", n),
		float64(n)/took.Seconds(), (full-empty)/float64(n), counted["discovery_bytes"]/float64(n))
	for _, together := range []int{1, 100, 1000} {
		if err := o.renewals(ctx, p, c, leases, together); err != nil {
			return err
		}
	}
	return nil
}

// heap is what a server holds after a collection.
func (p *process) heap(ctx context.Context) (float64, error) {
	if err := p.collect(); err != nil {
		return 0, err
	}
	m, err := p.gauges(ctx, heapBytes)
	return m[heapBytes], err
}

// enlist registers instances as their processes would, and returns their leases.
func enlist(ctx context.Context, c *grpc.ClientConn, n int) ([]string, error) {
	const callers = 32
	leases := make([]string, n)
	err := together(callers, func(part int) error {
		for i := part; i < n; i += callers {
			rsp := new(discoverypb.RegisterResponse)
			err := c.Invoke(ctx, registryMethod+"Register", &discoverypb.RegisterRequest{
				Service: fmt.Sprintf("service-%d", i/perService),
				Ttl:     durationpb.New(10 * time.Minute),
				Instance: &discoverypb.Instance{
					Id: fmt.Sprintf("service-%d-7a3c4781-c7d2-43c8-a415-%012d", i/perService, i), Version: "1.2.3", Zone: "west",
					Address:  fmt.Sprintf("10.%d.%d.%d:8080", i>>16&0xff, i>>8&0xff, i&0xff),
					Metadata: map[string]string{"protocol": "mucp", "registry": "discovery", "transport": "http", "broker": "memory", "server": "mucp"},
				},
			}, rsp)
			if err != nil {
				return err
			}
			leases[i] = rsp.GetLeaseId()
		}
		return nil
	})
	return leases, err
}

// together runs f for each part at once.
func together(parts int, f func(part int) error) error {
	errs := make([]error, parts)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// renewals prints how many leases are renewed a second, so many in each call, and what the
// node works for one.
func (o options) renewals(ctx context.Context, p *process, c *grpc.ClientConn, leases []string, each int) error {
	const callers = 64
	var renewed atomic.Int64
	before, err := p.cpu()
	if err != nil {
		return err
	}
	begun := time.Now()
	err = together(callers, func(part int) error {
		for i := part * each; time.Since(begun) < 2*time.Second; i += callers * each {
			at := i % (len(leases) - each + 1)
			rsp := new(discoverypb.RenewResponse)
			if err := c.Invoke(ctx, registryMethod+"Renew", &discoverypb.RenewRequest{LeaseIds: leases[at : at+each]}, rsp); err != nil {
				return err
			}
			if len(rsp.GetUnknownLeaseIds()) > 0 {
				return errors.New("a lease is not known")
			}
			renewed.Add(int64(each))
		}
		return nil
	})
	if err != nil {
		return err
	}
	took := time.Since(begun)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	fmt.Printf("%-56s %9.0f/s renewed, %6.2f µs of the node each\n", fmt.Sprintf("  renewals, %d in a call", each),
		float64(renewed.Load())/took.Seconds(), micros(after-before)/float64(renewed.Load()))
	return nil
}
