package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/tracing"
)

// benchChain measures what the wrappers add to a call, alone.
func benchChain() error {
	metrics, err := chain.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	run := func(context.Context, server.Request, any) error { return nil }
	wrappers := chain.New(chain.Config{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Propagator: tracing.Propagator(),
		MaxCalls: 100, MaxStreams: 100, Timeout: time.Minute, Slow: time.Minute,
	})
	for _, wrapper := range slices.Backward(wrappers) {
		run = wrapper(run)
	}
	first := call.Call{Endpoint: "Echo.Call", Protocol: call.GRPC, Headers: call.HTTP{}}
	c := first
	ctx := call.NewContext(context.Background(), &c)
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c = first // as if it were the only one of its caller
			if err := run(ctx, chainRequest{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	fmt.Printf("the chain alone: %d ns a call, %d allocations, %d bytes\n", r.NsPerOp(), r.AllocsPerOp(), r.AllocedBytesPerOp())
	return nil
}

// chainRequest is a server.Request of which the chain asks little.
type chainRequest struct{ server.Request }

func (chainRequest) Body() any        { return nil }
func (chainRequest) Endpoint() string { return "Echo.Call" }
