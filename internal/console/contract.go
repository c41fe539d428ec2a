package console

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/reflection"
	"github.com/micro/platform/internal/rpcerr"
)

const (
	dialing      = 2 * time.Second // to connect, and to be told a contract
	remembered   = time.Minute     // a contract, or that there is none
	tryAgain     = 5 * time.Second // with who did not tell
	maxContracts = 200
	maxMessage   = 16 << 20 // bytes of one from a service
)

// contracts are those that were told lately. The zero value is ready.
type contracts struct {
	mu  sync.Mutex
	all map[string]told // by the address, and the ID of who was there
}

type told struct {
	contract *reflection.Contract
	err      error
	until    time.Time
}

// contract returns what an instance says of its methods: that at an address, or any.
func (c *console) contract(ctx context.Context, s fleet.Service, address string) (*reflection.Contract, error) {
	i, err := choose(s, address)
	if err != nil {
		return nil, err
	}
	return c.contracts.of(ctx, i.Address+" "+i.ID, func() (*reflection.Contract, error) {
		p, err := c.dial(ctx, i.Address)
		if err != nil {
			return nil, err
		}
		return p.Contract, p.Close()
	})
}

func (c *contracts) of(ctx context.Context, key string, ask func() (*reflection.Contract, error)) (*reflection.Contract, error) {
	c.mu.Lock()
	t, ok := c.all[key]
	c.mu.Unlock()
	if ok && time.Now().Before(t.until) {
		return t.contract, t.err
	}
	contract, err := ask()
	if ctx.Err() != nil {
		return contract, err // who has asked did not wait
	}
	until := time.Now().Add(remembered)
	if rpcerr.Code(err) == codes.Unavailable {
		until = time.Now().Add(tryAgain)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= maxContracts {
		c.all = map[string]told{}
	}
	c.all[key] = told{contract, err, until}
	return contract, err
}

// dial connects to an instance that tells its contract.
func (c *console) dial(ctx context.Context, address string) (*reflection.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, dialing)
	defer cancel()
	creds := insecure.NewCredentials()
	if c.secure != nil {
		creds = credentials.NewTLS(c.secure.Config())
	}
	p, err := reflection.Dial(ctx, address, creds, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	switch {
	case err == nil:
		return p, nil
	case status.Code(err) == codes.Unimplemented:
		return nil, rpcerr.New(codes.Unimplemented, "console.no_reflection", "%s does not tell its contract by gRPC reflection", address)
	}
	return nil, rpcerr.New(codes.Unavailable, "console.no_contract", "%s was asked for its contract, and did not answer", address).Because(err)
}

// choose returns an instance of a service: that at an address, or the first that is
// ready, or at least not away.
func choose(s fleet.Service, address string) (fleet.Instance, error) {
	var other *fleet.Instance
	for _, i := range s.Instances {
		switch {
		case address != "":
			if i.Address == address {
				return i, nil
			}
		case i.State == fleet.Ready:
			return i, nil
		case i.State != fleet.Away && other == nil:
			other = &i
		}
	}
	switch {
	case other != nil:
		return *other, nil
	case address != "":
		return fleet.Instance{}, rpcerr.New(codes.NotFound, "console.no_instance", "no instance of %s is at %s", s.Name, address)
	}
	return fleet.Instance{}, rpcerr.New(codes.Unavailable, "console.away", "no instance of %s answers", s.Name)
}

// answered is what a service has said with an error.
func answered(err error) *rpcerr.Error {
	if own, ok := errors.AsType[*rpcerr.Error](err); ok {
		return own
	}
	return rpcerr.From(err)
}
