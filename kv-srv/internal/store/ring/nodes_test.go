package ring_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// node is a node of a ring, behind a port of its own on loopback.
type node struct {
	*ring.Store
	port  *port.Server
	name  string // host:port
	ended bool
}

// newNode starts a node that knows nobody.
func newNode(t testing.TB, change ...func(*ring.Options)) *node {
	t.Helper()
	n := &node{}
	start(t, n, change...)
	return n
}

func start(t testing.TB, n *node, change ...func(*ring.Options)) {
	t.Helper()
	o := ring.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dial: dial, Alone: 50 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	n.Store = ring.Open(t.Context(), o)
	n.port = port.New(context.WithoutCancel(t.Context()), port.Config{
		Name: "kv-srv", Address: "127.0.0.1:0", Registry: registry.NewMemoryRegistry(), Log: slog.New(slog.DiscardHandler),
		MaxMessage: 4 << 20, MaxConns: 1000, Timeout: 30 * time.Second, Patience: 10 * time.Second, Drain: time.Second,
	})
	if err := ringpb.RegisterRingHandler(n.port, n.Handler()); err != nil {
		t.Fatal(err)
	}
	if err := n.port.Start(); err != nil {
		t.Fatal(err)
	}
	n.name = n.port.Addr().String()
	n.Start(n.name)
	t.Cleanup(func() { n.end(t) })
}

// end ends a node without a word to the others.
func (n *node) end(t testing.TB) {
	t.Helper()
	if n.ended {
		return
	}
	n.ended = true
	if err := n.port.Stop(); err != nil {
		t.Errorf("stop %s: %v", n.name, err)
	}
	if err := n.Store.Close(); err != nil {
		t.Errorf("close %s: %v", n.name, err)
	}
}

func dial(address string) (*grpc.ClientConn, error) { return dialWith(address) }

func dialWith(address string, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address, append(more,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})))...)
}

// newRing starts nodes that know each other, and waits until they are a ring.
func newRing(t testing.TB, nodes int, change ...func(*ring.Options)) []*node {
	t.Helper()
	all := []*node{newNode(t, change...)}
	settle(t, all...)
	for len(all) < nodes {
		all = append(all, join(t, all[0], change...))
	}
	settle(t, all...)
	return all
}

// join starts a node that joins another one, which serves, and does not begin without.
func join(t testing.TB, to *node, change ...func(*ring.Options)) *node {
	t.Helper()
	n := newNode(t, append(slices.Clone(change), func(o *ring.Options) { o.Alone = time.Minute })...)
	n.Meet(to.name)
	return n
}

func introduce(all ...*node) {
	for _, n := range all {
		for _, m := range all {
			n.Meet(m.name)
		}
	}
}

// settle waits until some nodes are a ring of their own, and nothing moves.
func settle(t testing.TB, all ...*node) {
	t.Helper()
	var names, states []string
	for _, n := range all {
		names = append(names, n.name)
	}
	slices.Sort(names)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		states = states[:0]
		good := true
		for _, n := range all {
			r, err := n.Ring(ctx)
			var have []string
			for _, m := range r.Nodes {
				have = append(have, m.Name)
				good = good && m.State == store.Serving && m.Moving == 0 && m.Waiting == "" && !m.Silent
			}
			good = good && err == nil && slices.Equal(have, names) && n.Ready(ctx) == nil
			states = append(states, fmt.Sprintf("%s: %+v %v", n.name, r.Nodes, err))
		}
		if good {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no ring of %v:\n%s", names, states)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
