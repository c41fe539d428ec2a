package ring

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go-micro.dev/v5/metadata"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/micro/platform/internal/rpcerr"
)

// proofHeader says when a node has called, and proves that it has the key of the ring:
// seconds since 1970, a random word, and the HMAC-SHA256 of both and of the name of the node
// that is called. So who listens where a node was cannot pass it on to another node.
const proofHeader = "Ring-Proof"

// skew is how far the clocks of two nodes may be apart.
const skew = time.Minute

// prove adds the proof to a call of a node.
func (s *Store) prove(ctx context.Context, name string) context.Context {
	if s.opts.Key == nil {
		return ctx
	}
	said := strconv.FormatInt(time.Now().Unix(), 10) + " " + rand.Text()
	return grpcmetadata.AppendToOutgoingContext(ctx, proofHeader, said+" "+s.sign(said, name))
}

func (s *Store) sign(said, name string) string {
	mac := hmac.New(sha256.New, s.opts.Key)
	_, _ = mac.Write([]byte("ring " + said + " to " + name)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// proved returns why a caller is no node of this ring.
func (s *Store) proved(ctx context.Context) error {
	if s.opts.Key == nil {
		return nil
	}
	proof, _ := metadata.Get(ctx, proofHeader)
	said, mac := proof, ""
	if i := strings.LastIndexByte(proof, ' '); i >= 0 {
		said, mac = proof[:i], proof[i+1:]
	}
	if !hmac.Equal([]byte(mac), []byte(s.sign(said, s.name()))) {
		return rpcerr.New(codes.Unauthenticated, "ring.key", "the caller does not have the key of this ring: KV_RING_KEY_FILE is another")
	}
	sec, _, _ := strings.Cut(said, " ")
	at, err := strconv.ParseInt(sec, 10, 64)
	if apart := time.Since(time.Unix(at, 0)).Abs(); err != nil || apart > skew {
		return rpcerr.New(codes.Unauthenticated, "ring.clock", "the clocks of the nodes are %v apart, more than %v", apart.Round(time.Second), skew)
	}
	return nil
}

// away is the answer of a node that cannot tell.
func away(format string, args ...any) error {
	return rpcerr.New(codes.Unavailable, "ring.away", "%s", fmt.Sprintf(format, args...))
}
