package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	// watchers follow one node that reads, over so many connections.
	watchers    = 10_000
	connections = 50

	// rounds is how many changes are told.
	rounds = 20
)

// onWatchers measures how long a change at a node that writes takes until all that watch the
// service at a node that reads have it.
func (o options) onWatchers(ctx context.Context) error {
	write, err := startServer(ctx, "discovery", o.profile, "")
	if err != nil {
		return err
	}
	defer write.stop()
	c, err := dialGRPC(write.address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := enlist(ctx, c, 1000); err != nil {
		return err
	}
	read, err := startServer(ctx, "reader="+write.address, o.profile, "")
	if err != nil {
		return err
	}
	defer read.stop()
	before, err := read.heap(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := gather(ctx, read.address)
	if err != nil {
		return err
	}
	defer a.leave(cancel)
	after, err := read.heap(ctx)
	if err != nil {
		return err
	}
	var times []time.Duration
	for i := range rounds {
		took, err := a.round(ctx, c, i)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	upstream, err := write.gauges(ctx, "discovery_watchers")
	if err != nil {
		return err
	}
	slices.Sort(times)
	fmt.Printf("%-56s told all after %v (median; %v .. %v), %.0f bytes of heap each, %.0f stream at the node that writes\n",
		fmt.Sprintf("discovery, watchers (%d)", watchers), times[rounds/2].Round(time.Millisecond), times[0].Round(time.Millisecond),
		times[rounds-1].Round(time.Millisecond), (after-before)/watchers, upstream["discovery_watchers"])
	return nil
}

// audience is those that watch.
type audience struct {
	conns []*grpc.ClientConn
	heard chan string // the reason that a message has
	all   sync.WaitGroup
}

// gather has all watch one service, and waits until each knows it.
func gather(ctx context.Context, address string) (*audience, error) {
	a := &audience{heard: make(chan string, watchers)}
	for range connections {
		c, err := dialGRPC(address, nil)
		if err != nil {
			return nil, err
		}
		a.conns = append(a.conns, c)
	}
	for i := range watchers {
		s, err := a.conns[i%connections].NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, registryMethod+"Watch")
		if err != nil {
			return nil, err
		}
		if err := s.SendMsg(&discoverypb.WatchRequest{Services: []string{"service-0"}}); err != nil {
			return nil, err
		}
		if err := s.CloseSend(); err != nil {
			return nil, err
		}
		a.all.Go(func() { a.listen(s) })
	}
	return a, a.await(ctx, "synced")
}

func (a *audience) leave(cancel context.CancelFunc) {
	cancel()
	a.all.Wait()
	for _, c := range a.conns {
		_ = c.Close() // its streams have ended
	}
}

// listen tells what one stream hears, until that ends.
func (a *audience) listen(s grpc.ClientStream) {
	for {
		m := new(discoverypb.WatchResponse)
		if s.RecvMsg(m) != nil {
			return
		}
		if m.GetType() == discoverypb.WatchResponse_TYPE_SYNCED {
			a.heard <- "synced"
		}
		for _, c := range m.GetChanges() {
			if m.GetType() != discoverypb.WatchResponse_TYPE_CHANGES {
				break
			}
			for _, i := range c.GetInstances() {
				a.heard <- i.GetStatusReason()
			}
		}
	}
}

// await waits until all have heard the same.
func (a *audience) await(ctx context.Context, what string) error {
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for n := 0; n < watchers; {
		select {
		case got := <-a.heard:
			if got == what {
				n++
			}
		case <-late.C:
			return fmt.Errorf("%d of %d have heard %s", n, watchers, what)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// round changes the status of an instance, and returns when all know it.
func (a *audience) round(ctx context.Context, c *grpc.ClientConn, n int) (time.Duration, error) {
	reason := fmt.Sprint("round ", n)
	begun := time.Now()
	err := c.Invoke(ctx, registryMethod+"SetStatus", &discoverypb.SetStatusRequest{
		Service: "service-0", InstanceId: fmt.Sprintf("service-0-7a3c4781-c7d2-43c8-a415-%012d", 0), Reason: reason,
		Status: discoverypb.Status_STATUS_DRAINING,
	}, new(discoverypb.SetStatusResponse))
	if err != nil {
		return 0, err
	}
	err = a.await(ctx, reason)
	return time.Since(begun), err
}
