// Package ringtest runs a ring of kv-srv for a test.
package ringtest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// Patience is how long a ring has to become one.
const Patience = 30 * time.Second

// Ring is nodes, each with a registry of its own.
type Ring struct {
	Nodes []*hosttest.Platform

	gossip string // of the first
}

// Run runs nodes until the end of a test, and other services beside the first of them. It
// waits until they are a ring and nothing moves.
func Run(t testing.TB, nodes int, others ...host.Service) *Ring {
	t.Helper()
	r := &Ring{gossip: FreePort(t)}
	r.Nodes = append(r.Nodes, r.run(t, r.gossip, others...))
	for len(r.Nodes) < nodes {
		r.Nodes = append(r.Nodes, r.Join(t))
	}
	Await(t, kvclient.New(r.Nodes[0].Client), func(r kvclient.Ring) bool { return Settled(r, nodes) })
	return r
}

// Join runs one more node until the end of a test. It may have joined when Join returns,
// or not yet.
func (r *Ring) Join(t testing.TB) *hosttest.Platform {
	t.Helper()
	return r.run(t, "127.0.0.1:0")
}

func (r *Ring) run(t testing.TB, gossip string, others ...host.Service) *hosttest.Platform {
	t.Helper()
	env := map[string]string{"KV_PEERS": r.gossip, "KV_RING_ADDRESS": gossip}
	return hosttest.Run(t, env, append([]host.Service{kvserver.Service()}, others...)...)
}

// Settled tells whether so many nodes answer for their keys, and nothing moves.
func Settled(r kvclient.Ring, nodes int) bool {
	for _, n := range r.Nodes {
		if n.State != kvclient.NodeServing || n.Moving > 0 || n.Waiting != "" || n.Silent {
			return false
		}
	}
	return len(r.Nodes) == nodes
}

// Await waits until a ring is such.
func Await(t testing.TB, kv *kvclient.Client, such func(kvclient.Ring) bool) kvclient.Ring {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for {
		r, err := kv.Ring(ctx)
		if err == nil && such(r) {
			return r
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the ring is %+v, %v", r, err)
		}
	}
}

// FreePort returns an address whose port nobody has, neither of TCP nor of UDP.
func FreePort(t testing.TB) string {
	t.Helper()
	var err error
	for range 10 {
		var address string
		if address, err = both(t); err == nil {
			return address
		}
	}
	t.Fatal(fmt.Errorf("find a port: %w", err))
	return ""
}

func both(t testing.TB) (string, error) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	p, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", l.Addr().String())
	if err != nil {
		return "", err
	}
	return l.Addr().String(), p.Close()
}
