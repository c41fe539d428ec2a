package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/kvclient"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// nearGoal is how long a hit of 100 bytes may take.
const nearGoal = 200 * time.Nanosecond

// onNear measures what Get takes where the client keeps the item: beside Get over gRPC, by
// one caller each, in turn.
func (o options) onNear(ctx context.Context, is wanted) error {
	if !is("near", 1) {
		return nil
	}
	p, err := startServer(ctx, "kv", o.profile, "")
	if err != nil {
		return err
	}
	defer p.stop()
	c, err := dialGRPC(p.address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	kv := kvclient.New(client.NewClient(), kvclient.WithAddress(p.address), kvclient.WithCache(64<<20))
	defer kv.Close()
	for _, size := range []int{100, 4 << 10, 256 << 10} {
		if err := o.near(ctx, kv, c, size); err != nil {
			return fmt.Errorf("near, %d bytes: %w", size, err)
		}
	}
	return nil
}

func (o options) near(ctx context.Context, kv *kvclient.Client, c *grpc.ClientConn, size int) error {
	keys := itemKeys()[:64]
	for _, key := range keys {
		if _, err := kv.Put(ctx, key, bytes.Repeat([]byte("v"), size)); err != nil {
			return err
		}
	}
	if err := keep(ctx, kv, keys); err != nil {
		return err
	}
	hit := func(key string) error {
		item, err := kv.Get(ctx, key)
		if err == nil && len(item.Value) != size {
			err = fmt.Errorf("got %d bytes", len(item.Value))
		}
		return err
	}
	far := func(key string) error {
		return c.Invoke(ctx, "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: key}, new(kvpb.GetResponse))
	}
	var hits, fars, worked []time.Duration
	before := kv.CacheStats()
	for range o.pairs {
		begun, n := selfCPU(), kv.CacheStats().Hits
		took, err := o.each(keys, hit)
		if err != nil {
			return err
		}
		hits, worked = append(hits, took), append(worked, (selfCPU()-begun)/time.Duration(max(1, kv.CacheStats().Hits-n)))
		if took, err = o.each(keys, far); err != nil {
			return err
		}
		fars = append(fars, took)
	}
	after := kv.CacheStats()
	if missed := after.Misses - before.Misses; missed*100 > after.Hits-before.Hits {
		return fmt.Errorf("%d hits and %d misses", after.Hits-before.Hits, missed)
	}
	goal := ""
	if size == 100 {
		goal = fmt.Sprintf(", goal %v", nearGoal)
	}
	fmt.Printf("near cache, a hit of %6d bytes, one caller: %v (%v .. %v)%s, %v of a processor; Get over gRPC %v (%v .. %v)\n", size,
		median(hits), slices.Min(hits), slices.Max(hits), goal, median(worked), median(fars), slices.Min(fars), slices.Max(fars))
	return nil
}

// selfCPU is the time that this process has worked until now, its garbage collector
// included.
func selfCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for others alone
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// each returns how long one call took, of as many as there was time for: the mean.
func (o options) each(keys []string, get func(string) error) (time.Duration, error) {
	begun, n := time.Now(), 0
	for time.Since(begun) < o.length {
		for _, key := range keys {
			if err := get(key); err != nil {
				return 0, err
			}
		}
		n += len(keys)
	}
	return time.Since(begun) / time.Duration(n), nil
}

// keep has all keys in the cache.
func keep(ctx context.Context, kv *kvclient.Client, keys []string) error {
	for begun := time.Now(); time.Since(begun) < 10*time.Second; {
		before := kv.CacheStats()
		for _, key := range keys {
			if _, err := kv.Get(ctx, key); err != nil {
				return err
			}
		}
		if kv.CacheStats().Misses == before.Misses {
			return nil
		}
	}
	return errors.New("the cache does not keep the items")
}
