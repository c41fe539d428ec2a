package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/kv-srv/kvclient"
)

// ringPatience is how long nodes have to become a ring.
const ringPatience = time.Minute

// nodes are kv-srv in processes of their own that keep items in memory: each alone, or
// together as a ring.
type nodes []*process

// startAlone runs one process without a ring.
func startAlone(ctx context.Context, profile string) (nodes, error) {
	p, err := startServer(ctx, "kv", profile, "")
	if err != nil {
		return nil, err
	}
	return nodes{p}, nil
}

// startRing runs so many processes as a ring. They answer for their keys when it returns.
func startRing(ctx context.Context, size int, profile string) (nodes, error) {
	gossip, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	var all nodes
	for name := "first=" + gossip; len(all) < size; name, profile = "node="+gossip, "" { // the first has the profile
		p, err := startServer(ctx, name, profile, "")
		if err != nil {
			all.stop()
			return nil, err
		}
		all = append(all, p)
	}
	if err := all.settle(ctx); err != nil {
		all.stop()
		return nil, err
	}
	return all, nil
}

// settle waits until all answer for their keys and nothing moves.
func (n nodes) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ringPatience)
	defer cancel()
	kv := n.client()
	for {
		r, err := kv.Ring(ctx)
		if err == nil && settled(r, len(n)) {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("become a ring of %d: it is %+v, %w", len(n), r, errors.Join(err, ctx.Err()))
		}
	}
}

func settled(r kvclient.Ring, size int) bool {
	for _, n := range r.Nodes {
		if n.State != kvclient.NodeServing || n.Moving > 0 || n.Waiting != "" || n.Silent {
			return false
		}
	}
	return len(r.Nodes) == size
}

// client calls the first.
func (n nodes) client() *kvclient.Client {
	return kvclient.New(client.NewClient(), kvclient.WithAddress(n[0].address))
}

// cpu is the time that all together have worked until now.
func (n nodes) cpu() (time.Duration, error) {
	var total time.Duration
	for _, p := range n {
		t, err := p.cpu()
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}

// stop ends all at once.
func (n nodes) stop() {
	var wg sync.WaitGroup
	for _, p := range n {
		wg.Go(p.stop)
	}
	wg.Wait()
}

// dial connects to each; one call after the other goes to the next.
func (n nodes) dial() (items, error) {
	var all []items
	for _, p := range n {
		c, err := dialGRPC(p.address, nil)
		if err != nil {
			return items{}, errors.Join(err, spread(all).close())
		}
		all = append(all, dialKV(c))
	}
	return spread(all), nil
}

// freePort returns an address whose port nobody has, neither of TCP nor of UDP.
func freePort(ctx context.Context) (string, error) {
	var err error
	for range 10 {
		var address string
		if address, err = bothFree(ctx); err == nil {
			return address, nil
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

func bothFree(ctx context.Context) (string, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	p, err := c.ListenPacket(ctx, "udp", l.Addr().String())
	if err != nil {
		return "", err
	}
	return l.Addr().String(), p.Close()
}
