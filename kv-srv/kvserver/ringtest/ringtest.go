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

// Run runs nodes until the end of a test, each with a registry of its own, and the others
// beside the first. It waits until they are a ring and nothing moves.
func Run(t testing.TB, nodes int, others ...host.Service) []*hosttest.Platform {
	t.Helper()
	first := freePort(t)
	var all []*hosttest.Platform
	for i := range nodes {
		all = append(all, join(t, first, i == 0, others...))
		others = nil
	}
	Await(t, kvclient.New(all[0].Client), func(r kvclient.Ring) bool { return Settled(r, nodes) })
	return all
}

// join runs a node of the ring whose first one has its gossip at an address.
func join(t testing.TB, first string, isFirst bool, others ...host.Service) *hosttest.Platform {
	t.Helper()
	at := "127.0.0.1:0"
	if isFirst {
		at = first
	}
	env := map[string]string{"KV_PEERS": first, "KV_RING_ADDRESS": at}
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

// freePort returns an address whose port nobody has, neither of TCP nor of UDP.
func freePort(t testing.TB) string {
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
