package kvserver

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"go-micro.dev/v5/registry"
	microserver "go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	"github.com/micro/platform/kv-srv/internal/store/ring/gossip"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

const (
	peersVar = "KV_PEERS"
	ringVar  = "KV_RING_ADDRESS"
	keyVar   = "KV_RING_KEY"
)

// inRegistry is the value of KV_PEERS that looks for them in the registry.
const inRegistry = "registry:"

// How soon a lost connection to another node is tried again.
const (
	firstRedial = 50 * time.Millisecond
	lastRedial  = time.Second
)

// gossipKey is where an instance says in the registry where its gossip is.
const gossipKey = "ring"

func ringSettings() []setting.Setting {
	return []setting.Setting{{
		Name: peersVar,
		Help: "host:port of the gossip of other kv-srv, with commas between them, one of which is enough; or " + inRegistry + " to find them there: " +
			"memory: is then a ring of all of them; empty: it is that of this process alone",
	}, {
		Name: ringVar, Default: "127.0.0.1:7946",
		Help: "host:port of the gossip of the ring, over TCP and UDP",
	}, {
		Name: keyVar,
		Help: "16, 24 or 32 bytes in base64, the same for all of a ring: encrypts the gossip, and who does not have it is refused; needed beyond loopback",
	}}
}

// ringed tells whether memory: is a ring.
func ringed(v *setting.Values) bool { return v.String(peersVar) != "" }

// checkRingSettings finds what is wrong in each of them, also where there is no ring.
func checkRingSettings(v *setting.Values) {
	_ = v.Address(ringVar)
	if ringed(v) || v.String(keyVar) != "" {
		_ = ringKey(v)
	}
	if !ringed(v) || v.String(peersVar) == inRegistry {
		return
	}
	for _, p := range v.List(peersVar) {
		host, port, err := net.SplitHostPort(p)
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 || strings.ContainsAny(host, "/@ ") {
			v.Fail(peersVar, "%q is no host:port such as 10.0.0.7:7946 (or all of it is %s)", p, inRegistry)
			return
		}
	}
}

// openRing makes this process a node of the ring.
func openRing(ctx context.Context, h *host.Host, o memory.Options, replicas int) (*ring.Store, error) {
	key, address := ringKey(h.Settings), h.Settings.Address(ringVar)
	log := h.Log.With(slog.String("store", "ring"))
	node := &ringNode{host: h, replicas: replicas, key: key, bind: address, log: log}
	node.store = ring.Open(ctx, ring.Options{Replicas: replicas, Memory: o, Key: key, Log: log, Dial: dialer(h.Secure())})
	if err := ringpb.RegisterRingHandler(h.Server(), node.store.Handler()); err != nil {
		return nil, &startError{errors.Join(err, node.store.Close())}
	}
	h.Vital("Ring.Beat", "Ring.Link", "Ring.Feed")
	h.OnListen(node.start)
	h.OnDrain(node.leave)
	return node.store, nil
}

// ringKey reads the key, which is needed where others can reach the gossip or the port.
func ringKey(v *setting.Values) []byte {
	s := v.String(keyVar)
	if s == "" {
		for _, name := range []string{ringVar, "KV_ADDRESS"} {
			if port.Exposed(v.Address(name)) != nil {
				v.Fail(keyVar, "needed where %s is not on loopback: KV_RING_KEY_FILE names a file with the base64 of 32 random bytes", name)
				break
			}
		}
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !slices.Contains([]int{16, 24, 32}, len(key)) {
		v.Fail(keyVar, "not the base64 of 16, 24 or 32 bytes")
		return nil
	}
	return key
}

// ringNode is what a node needs besides its store.
type ringNode struct {
	host     *host.Host
	store    *ring.Store
	replicas int
	key      []byte
	bind     string
	log      *slog.Logger
}

// start begins when others can call this process.
func (n *ringNode) start(address string) error {
	n.store.Start(address)
	g, err := gossip.Open(gossip.Config{
		Address: address, Bind: n.bind, Key: n.key, Replicas: n.replicas,
		Peers: n.peers, Met: n.store.Meet, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", ringVar, err)
	}
	n.host.OnStop(func(context.Context) error { return g.Close() })
	n.host.Go(g.Run)
	return n.publish(g.Address())
}

// publish tells the registry where the gossip is.
func (n *ringNode) publish(address string) error {
	s := n.host.Server()
	return s.Init(microserver.Metadata(withKey(s.Options().Metadata, gossipKey, address)))
}

func withKey(all map[string]string, key, value string) map[string]string {
	more := map[string]string{key: value}
	for k, v := range all {
		if k != key {
			more[k] = v
		}
	}
	return more
}

// peers are those of the setting, or those that the registry has.
func (n *ringNode) peers() []string {
	if n.host.Settings.String(peersVar) != inRegistry {
		return n.host.Settings.List(peersVar)
	}
	var all []string
	services, err := n.host.Registry.GetService(n.host.Name)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		n.log.Warn("the registry does not tell of the other nodes of the ring", "error", err)
	}
	for _, s := range services {
		for _, node := range s.Nodes {
			if a := node.Metadata[gossipKey]; a != "" && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// leave hands over, while this process still answers.
func (n *ringNode) leave(ctx context.Context) error {
	if err := n.store.Leave(ctx); err != nil {
		n.log.WarnContext(ctx, "the ring goes on without this node as if it were lost", "error", err)
	}
	return nil
}

// dialer connects to other nodes, by TLS unless secure is nil.
func dialer(secure *certs.Source) func(address string) (*grpc.ClientConn, error) {
	return func(address string) (*grpc.ClientConn, error) {
		creds := insecure.NewCredentials()
		if secure != nil {
			creds = current{credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}), secure}
		}
		return grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(creds), grpc.WithNoProxy(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: firstRedial, Multiplier: 1.5, Jitter: 0.2, MaxDelay: lastRedial},
				MinConnectTimeout: lastRedial,
			}),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})))
	}
}

// current shakes hands by the certificates that there are at the time.
type current struct {
	credentials.TransportCredentials
	secure *certs.Source
}

// ClientHandshake implements credentials.TransportCredentials.
func (c current) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.secure.Config()).ClientHandshake(ctx, authority, conn)
}

// Clone implements credentials.TransportCredentials.
func (c current) Clone() credentials.TransportCredentials {
	return current{c.TransportCredentials.Clone(), c.secure}
}
