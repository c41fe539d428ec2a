package ring_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// breaker breaks a link, as often as it is told to, where it brings a slot.
type breaker struct {
	before bool // anything of the slot is sent; otherwise after a part of which there are more
	left   atomic.Int32
}

func (b *breaker) breaks() bool {
	left := b.left.Load()
	return left > 0 && b.left.CompareAndSwap(left, left-1)
}

func (b *breaker) option() grpc.DialOption {
	return grpc.WithStreamInterceptor(func(
		ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := next(ctx, desc, conn, method, opts...)
		if err != nil {
			cancel()
			return nil, err
		}
		return &breaking{ClientStream: stream, by: b, end: cancel, parts: map[uint64]bool{}}, nil
	})
}

type breaking struct {
	grpc.ClientStream
	by  *breaker
	end context.CancelFunc

	mu    sync.Mutex
	parts map[uint64]bool // by id, the calls with a part of which there are more
}

func (b *breaking) SendMsg(m any) error {
	req, _ := m.(*ringpb.LinkRequest)
	for _, call := range req.GetCalls() {
		if b.by.before && call.GetFill() != nil && b.by.breaks() {
			b.end()
			return errors.New("the link was broken")
		}
		if call.GetFill().GetMore() {
			b.mu.Lock()
			b.parts[call.GetId()] = true
			b.mu.Unlock()
		}
	}
	return b.ClientStream.SendMsg(m)
}

func (b *breaking) RecvMsg(m any) error {
	err := b.ClientStream.RecvMsg(m)
	rsp, ok := m.(*ringpb.LinkResponse)
	if err != nil || !ok {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range rsp.GetAnswers() {
		if !b.by.before && b.parts[a.GetId()] && a.GetOutcome() == ringpb.Answer_OUTCOME_UNSPECIFIED && b.by.breaks() {
			b.end()
			return errors.New("the link was broken")
		}
	}
	return nil
}

// TestFillAgain: a slot in several messages, of which the first has arrived when the link
// breaks, comes whole to a node that has a part of it.
func TestFillAgain(t *testing.T) {
	w, b := newWires(), &breaker{}
	var all []*node
	for range 3 {
		n := &node{}
		start(t, n, w.from(n, b.option()), func(o *ring.Options) {
			o.Replicas, o.Memory = 3, memory.Options{MaxBytes: 256 << 20}
		})
		all = append(all, n)
	}
	introduce(all...)
	settle(t, all...)
	var keys []string
	for i, long := 0, strings.Repeat("k", 32<<10); len(keys) < 44; i++ {
		if key := long + strconv.Itoa(i); placement.Slot(ns, key) == placement.Slot(ns, "slot") {
			keys = append(keys, key)
		}
	}
	write := func(some []string) {
		for _, key := range some {
			put(t, all[0], key, "v")
		}
	}
	write(keys[:22])
	w.part(all[2])
	settle(t, all[:2]...)
	settle(t, all[2])
	write(keys[22:])
	b.left.Store(1)
	w.part()
	settle(t, all...)
	if b.left.Load() > 0 {
		t.Fatal("the link did not break")
	}
	all[0].end(t)
	all[1].end(t)
	settle(t, all[2])
	lost := 0
	for _, key := range keys {
		if get(t, all[2], key) != "v" {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d keys are lost", lost, len(keys))
	}
}
