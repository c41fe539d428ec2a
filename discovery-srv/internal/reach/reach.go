// Package reach reads watches of Registry, one after the other, from nodes that come and go.
// It does no I/O of its own.
package reach

import (
	"context"
	"math/rand/v2"
	"time"

	"go-micro.dev/v5/client"

	rpc "github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Service is the name under which nodes are registered.
const Service = "discovery-srv"

// Silence is how long a node may say nothing: it says something every 15 seconds.
const Silence = 20 * time.Second

// Watch calls yield with what a node tells, until that returns false, which is no error, or
// the watch ends: with ctx, with its connection, or when nothing came for some time. That
// which yield takes does not count.
func Watch(ctx context.Context, c client.Client, address string, req *discoverypb.WatchRequest, silence time.Duration, yield func(*discoverypb.WatchResponse) bool) error {
	return rpc.ReadLively(ctx, c, Service, "Registry.Watch", req, silence, At(address), yield)
}

// At calls an address, or one that the registry of the client chooses for "".
func At(address string) []client.CallOption {
	if address == "" {
		return nil
	}
	return []client.CallOption{client.WithAddress(address)}
}

// Place is where a watch can go on. The zero value is nowhere. It belongs to one goroutine.
type Place struct {
	address string
	index   uint64
}

// From is the index to go on from at an address, where the next watch is. At another one than
// before, or at one that the registry chooses, the index is unknown: it is 0.
func (p *Place) From(address string) uint64 {
	if address == "" || address != p.address {
		*p = Place{address: address}
	}
	return p.index
}

// Told notes how far a watch has come.
func (p *Place) Told(m *discoverypb.WatchResponse) {
	if m.GetIndex() > 0 { // else it is a part of more
		p.index = m.GetIndex()
	}
}

// Pauses between tries.
const (
	Shortest = 100 * time.Millisecond
	Longest  = 3 * time.Second
)

// Pause is what comes between tries: more and more from Shortest to Longest, but what came
// later than that after the one before is no try again. A random part of up to a half is
// taken off, so that not all come at once. The zero value is ready. It belongs to one
// goroutine.
type Pause struct {
	next  time.Duration
	ended time.Time // the one before
}

// Next begins the next pause, and returns how long it is.
func (p *Pause) Next() time.Duration {
	now := time.Now()
	if p.next == 0 || now.Sub(p.ended) > Longest {
		p.next = Shortest
	}
	d := p.next/2 + rand.N(p.next/2) //nolint:gosec // nothing to guess
	p.next, p.ended = min(2*p.next, Longest), now.Add(d)
	return d
}

// Wait returns false if ctx ends before the next pause does.
func (p *Pause) Wait(ctx context.Context) bool {
	timer := time.NewTimer(p.Next())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		p.ended = time.Now()
		return true
	}
}
