package reflection

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/micro/platform/internal/buildinfo"
)

// maxResponse is the largest message that is read, as large as services may take.
const maxResponse = 1 << 30

// Peer is a server that has told its contract.
type Peer struct {
	*grpc.ClientConn
	*Contract
}

// Dial connects to host:port, by no proxy, and asks for the contract. The caller closes
// the peer. Options come after Dial's own.
func Dial(ctx context.Context, address string, creds credentials.TransportCredentials, options ...grpc.DialOption) (*Peer, error) {
	options = append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithNoProxy(),
		grpc.WithUserAgent(buildinfo.Line("platform")),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponse)),
	}, options...)
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	contract, err := Fetch(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Peer{conn, contract}, nil
}
