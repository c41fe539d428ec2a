package discoveryclient

import (
	"context"
	"math/rand/v2"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc/codes"

	rpc "github.com/micro/platform/internal/client"
)

// again says that a call may be made twice.
const again = true

const (
	// retries is how often a call is tried again at a node that is not reached.
	retries = 2

	// guesses is how many nodes are asked for one that reads, where the registry chooses.
	guesses = 8

	// The pauses before a call is tried again, or a watch is begun again. Each takes half
	// of it to all, at random.
	shortest, longest = 100 * time.Millisecond, 10 * time.Second
)

// try makes a call until it has its answer. go-micro's client would take the same address
// again: it chooses by the second.
func try[Req, Rsp any](ctx context.Context, c *Client, again bool, call func(context.Context, *Req, ...client.CallOption) (*Rsp, error), req *Req) (*Rsp, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var t tries
	for {
		at, address := c.address()
		opts := append(rpc.Unary(ctx, false), client.WithRetries(0))
		rsp, err := call(ctx, req, append(opts, to(address)...)...)
		if err == nil || !t.more(ctx, c, at, again, err) {
			return rsp, err
		}
	}
}

// bounded ends with ctx, or after a while if that has no deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, rpc.DefaultTimeout)
}

// address returns the address to call, "" where the registry chooses, and its place.
func (c *Client) address() (at uint32, address string) {
	at = c.at.Load()
	if len(c.addresses) == 0 {
		return at, ""
	}
	return at, c.addresses[int(at)%len(c.addresses)]
}

func to(address string) []client.CallOption {
	if address == "" {
		return nil
	}
	return []client.CallOption{client.WithAddress(address)}
}

// leave has the next call go to another address than that at a place.
func (c *Client) leave(at uint32) { c.at.CompareAndSwap(at, at+1) }

// nodes is how many of them are asked for one that reads.
func (c *Client) nodes() int {
	if len(c.addresses) == 0 {
		return guesses
	}
	return len(c.addresses)
}

// tries counts what has failed of one call.
type tries struct{ away, writeOnly int }

// more tells whether to try again, once it is time to.
func (t *tries) more(ctx context.Context, c *Client, at uint32, again bool, err error) bool {
	e := rpc.Error(err)
	if e.Reason == reasonWriteOnly {
		c.leave(at)
		t.writeOnly++
		return t.writeOnly < c.nodes() && ctx.Err() == nil
	}
	if e.Code != codes.Unavailable {
		return false
	}
	c.leave(at)
	t.away++
	round := max(1, len(c.addresses))
	switch {
	case !again || t.away > retries*round || ctx.Err() != nil:
		return false
	case t.away%round != 0: // the next one was not asked yet
		return true
	}
	return rest(ctx, shortest<<(t.away/round-1))
}

// rest waits for some of a pause, and returns false if ctx ends before.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // nothing to guess
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
