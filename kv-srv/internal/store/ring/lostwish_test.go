package ring_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store/ring"
)

// links are those that a node has opened to others, by name, and can be broken.
type links struct {
	mu     sync.Mutex
	opened map[string][]context.CancelFunc
}

// dial notes the links of a node.
func (l *links) dial(o *ring.Options) {
	o.Dial = func(address string) (*grpc.ClientConn, error) {
		return dialWith(address, grpc.WithStreamInterceptor(func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			if desc.StreamName == "Link" {
				ctx = l.add(ctx, address)
			}
			return next(ctx, desc, cc, method, opts...)
		}))
	}
}

func (l *links) add(ctx context.Context, address string) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened[address] = append(l.opened[address], cancel)
	return ctx
}

// cut breaks the links to a node. They are opened again after a moment.
func (l *links) cut(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range l.opened[address] {
		cancel()
	}
	delete(l.opened, address)
}

// TestWatchOverBrokenLink: who watches hears of a change although, when it was made, the
// node could not ask another one how far it is.
func TestWatchOverBrokenLink(t *testing.T) {
	l := links{opened: map[string][]context.CancelFunc{}}
	one := newRing(t, 1, l.dial)[0]
	all := []*node{one, join(t, one), join(t, one)}
	settle(t, all...)
	w := follow(t, one, 0, func() {})
	want := map[uint64]string{}
	for i := range 40 {
		l.cut(all[2].name)
		key := "k" + strconv.Itoa(i)
		last := put(t, one, key, "v")
		want[last] = key
		w.sees(t, want, last)
	}
}
