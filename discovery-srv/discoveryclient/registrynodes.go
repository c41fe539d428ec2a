package discoveryclient

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc/codes"

	rpc "github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// nodes are those of discovery-srv. One of them is asked until it does not answer, and then
// the next.
type nodes struct {
	addresses []string
	client    client.Client
	registry  discoverypb.RegistryService
	log       *slog.Logger

	mu   sync.Mutex
	at   int
	away bool
}

func newNodes(c Config) *nodes {
	n := &nodes{client: rpc.Protobuf(c.Client), log: c.Log}
	n.registry = discoverypb.NewRegistryService(Service, n.client)
	for _, a := range c.Addresses {
		n.addresses = append(n.addresses, withPort(a))
	}
	if len(n.addresses) > 0 {
		n.at = rand.IntN(len(n.addresses)) //nolint:gosec // to spread
	}
	return n
}

func (n *nodes) close() error { return n.client.Options().Selector.Close() }

var errNoNode = errors.New("no address of discovery-srv is known")

// current is the node to ask, and which it is.
func (n *nodes) current() (address string, at int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.addresses) == 0 {
		return "", 0
	}
	return n.addresses[n.at], n.at
}

// failed has the next node asked instead of one.
func (n *nodes) failed(at int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == at {
		n.at = (at + 1) % len(n.addresses)
	}
	if !n.away {
		n.away = true
		n.log.Warn("a node of discovery is away, and others will be tried", "address", n.addresses[at], "error", rpc.Error(err).Message)
	}
}

func (n *nodes) answered(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away {
		n.away = false
		n.log.Info("discovery answers", "address", address)
	}
}

// ask makes a call at one node after the other, until one answers or all have failed.
func ask[Req, Rsp any](ctx context.Context, n *nodes, call func(context.Context, *Req, ...client.CallOption) (*Rsp, error), req *Req) (*Rsp, error) {
	err := errNoNode
	for range n.addresses {
		address, at := n.current()
		var rsp *Rsp
		rsp, err = call(ctx, req, append(rpc.Unary(ctx, false), client.WithAddress(address))...)
		if err == nil {
			n.answered(address)
			return rsp, nil
		}
		if e := rpc.Error(err); !elsewhere(e.Code, e.Reason) || ctx.Err() != nil {
			return nil, e
		}
		n.failed(at, err)
	}
	return nil, err
}

// elsewhere tells whether another node may answer.
func elsewhere(code codes.Code, reason string) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unimplemented, codes.ResourceExhausted, codes.Internal:
		return true
	default:
		return reason == "discovery.write_only"
	}
}

// pause is how long to wait before trying again: more and more, up to three seconds, less a
// random part.
type pause time.Duration

func (p *pause) next() time.Duration {
	*p = min(max(2**p, pause(100*time.Millisecond)), pause(3*time.Second))
	return time.Duration(*p)/2 + rand.N(time.Duration(*p)/2) //nolint:gosec // so that not all come at once
}

func (p *pause) wait(ctx context.Context) {
	timer := time.NewTimer(p.next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
