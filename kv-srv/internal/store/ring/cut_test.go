package ring_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/grpccodec"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// wires are the connections between nodes, which can be cut: then nothing arrives, and
// nobody is told.
type wires struct {
	mu    sync.Mutex
	sides map[string]int // of a node, by name; nodes on different sides are cut off
	pairs [][2]string    // that are cut off besides
	mend  chan struct{}  // closed when the sides change
}

func newWires() *wires { return &wires{sides: map[string]int{}, mend: make(chan struct{})} }

// part puts nodes on one side, all others on the other.
func (w *wires) part(nodes ...*node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sides = map[string]int{}
	for _, n := range nodes {
		w.sides[n.name] = 1
	}
	close(w.mend)
	w.mend = make(chan struct{})
}

// between cuts off two nodes from each other alone.
func (w *wires) between(a, b *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pairs = append(w.pairs, [2]string{a.name, b.name})
}

func (w *wires) cut(a, b string) (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cut := w.sides[a] != w.sides[b] || slices.Contains(w.pairs, [2]string{a, b}) || slices.Contains(w.pairs, [2]string{b, a})
	return cut, w.mend
}

// from is the dialer of one node.
func (w *wires) from(n *node, more ...grpc.DialOption) func(*ring.Options) {
	return func(o *ring.Options) {
		o.Dial = func(address string) (*grpc.ClientConn, error) {
			return grpc.NewClient("passthrough:///"+address, append(slices.Clip(more),
				grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
				grpc.WithConnectParams(grpc.ConnectParams{
					Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
					MinConnectTimeout: time.Second,
				}),
				grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
					if cut, _ := w.cut(n.name, to); cut {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					c, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
					if err != nil {
						return nil, err
					}
					return &wire{Conn: c, wires: w, ends: [2]string{n.name, to}, closed: make(chan struct{})}, nil
				}),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpccodec.Proto{})))...)
		}
	}
}

// wire is one connection.
type wire struct {
	net.Conn
	wires  *wires
	ends   [2]string
	once   sync.Once
	closed chan struct{}
}

// open waits until nothing cuts the wire.
func (w *wire) open() error {
	for {
		cut, mend := w.wires.cut(w.ends[0], w.ends[1])
		if !cut {
			return nil
		}
		select {
		case <-mend:
		case <-w.closed:
			return net.ErrClosed
		}
	}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if bad := w.open(); bad != nil {
		return 0, bad
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if err := w.open(); err != nil {
		return 0, err
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}
