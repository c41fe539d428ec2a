package discoveryclient

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/discovery-srv/internal/reach"
	rpc "github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// nodes are those of discovery-srv. One of them is called until it does not answer, and then
// the next. Its methods may be called at once.
type nodes struct {
	client    client.Client
	registry  discoverypb.RegistryService
	addresses []string
	chosen    bool // without addresses, by the registry of the client
	log       *slog.Logger

	at   atomic.Uint32 // which of them is called
	away atomic.Bool
}

func newNodes(c client.Client, log *slog.Logger) *nodes {
	c = rpc.Protobuf(c)
	return &nodes{client: c, registry: discoverypb.NewRegistryService(Service, c), log: log}
}

func (n *nodes) close() error { return n.client.Options().Selector.Close() }

// current is the address to call, "" where there is none, and its place.
func (n *nodes) current() (address string, at uint32) {
	at = n.at.Load()
	return n.address(at), at
}

func (n *nodes) address(at uint32) string {
	if len(n.addresses) == 0 {
		return ""
	}
	return n.addresses[int(at)%len(n.addresses)]
}

// leave has the next call go to another address than that at a place.
func (n *nodes) leave(at uint32) { n.at.CompareAndSwap(at, at+1) }

// failed leaves a node that does not answer.
func (n *nodes) failed(at uint32, err error) {
	n.leave(at)
	if len(n.addresses) > 0 && !n.away.Swap(true) {
		n.log.Warn("a node of discovery is away, and others will be tried", "address", n.address(at), "error", rpc.Error(err).Message)
	}
}

func (n *nodes) answered(address string) {
	if n.away.Swap(false) {
		n.log.Info("discovery answers", "address", address)
	}
}

// guesses is how many nodes are asked for one that reads, where the registry chooses.
const guesses = 8

// readers is how many are asked for one that reads.
func (n *nodes) readers() int {
	if len(n.addresses) == 0 {
		return guesses
	}
	return len(n.addresses)
}

// How often a call is made at each node that does not answer, if none does.
const (
	once  = 0 // at one of them alone
	twice = 2 // a connection may have been closed meanwhile
	often = 3
)

var errNoNode = errors.New("no address of discovery-srv is known")

// ask makes a call at one node after the other, until it has its answer: that of ctx, or of
// five seconds if that has no deadline, as well.
func ask[Req, Rsp any](ctx context.Context, n *nodes, rounds int, call func(context.Context, *Req, ...client.CallOption) (*Rsp, error), req *Req) (*Rsp, error) {
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
		defer cancel()
		ctx = bounded
	}
	if len(n.addresses) == 0 && !n.chosen {
		return nil, errNoNode
	}
	t := tries{nodes: n, rounds: rounds}
	for {
		address, at := n.current()
		// go-micro's client would try the same address again: it chooses by the second.
		opts := append(rpc.Unary(ctx, false), client.WithRetries(0))
		rsp, err := call(ctx, req, append(opts, reach.At(address)...)...)
		if err == nil {
			n.answered(address)
			return rsp, nil
		}
		if !t.more(ctx, at, err) {
			return nil, err
		}
	}
}

// tries counts what has failed of one call.
type tries struct {
	nodes         *nodes
	rounds        int
	away, refused int
	pause         reach.Pause
}

// more tells whether to try again, once it is time to.
func (t *tries) more(ctx context.Context, at uint32, err error) bool {
	switch e := rpc.Error(err); {
	case e.Reason == reasonWriteOnly:
		t.nodes.leave(at)
		t.refused++
		return t.refused < t.nodes.readers() && ctx.Err() == nil
	case e.Code == codes.DeadlineExceeded:
		t.nodes.failed(at, err)
		return false // what is left of the time, if anything, is no time to answer in: the next node would be left for it, too
	case e.Code == codes.Unavailable:
		t.nodes.failed(at, err)
		t.away++
		t.refused = 0 // who is away may be the one that does it
		round := max(1, len(t.nodes.addresses))
		if t.away >= t.rounds*round || ctx.Err() != nil {
			return false
		}
		return t.away%round != 0 || t.pause.Wait(ctx)
	case unable(e.Code) && t.rounds > once:
		t.nodes.leave(at)
		t.refused++
		return t.refused < len(t.nodes.addresses) && ctx.Err() == nil
	}
	return false
}

// unable tells of what another node may be able to do.
func unable(code codes.Code) bool {
	return code == codes.Unimplemented || code == codes.ResourceExhausted || code == codes.Internal
}
