package kvclient_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go-micro.dev/v5/client"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

var errRender = errors.New("cannot render")

// renders returns a fill of a value, and counts its calls.
func renders(value string, calls *atomic.Int64) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		calls.Add(1)
		return []byte(value), nil
	}
}

func cannotRender(context.Context) ([]byte, error) { return nil, errRender }

// nobodyFills is a fill that must not be called.
func nobodyFills(t *testing.T) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		t.Error("fill is called")
		return nil, nil
	}
}

// fill is GetOrFill that must not fail.
func fill(t *testing.T, kv *kvclient.Client, key string, f func(context.Context) ([]byte, error), opts ...kvclient.FillOption) kvclient.Item {
	t.Helper()
	i, err := kv.GetOrFill(t.Context(), key, f, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestGetOrFill: a value is filled once, whoever asks for it, and has what options say.
func TestGetOrFill(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	shared := kvclient.New(p.Client)
	for name, of := range map[string]func() *kvclient.Client{
		"by one client":    func() *kvclient.Client { return shared },
		"by a client each": func() *kvclient.Client { return kvclient.New(p.Client) },
	} {
		t.Run(name, func(t *testing.T) {
			begun, release := make(chan struct{}), make(chan struct{})
			var calls atomic.Int64
			slowly := func(context.Context) ([]byte, error) {
				if calls.Add(1) == 1 {
					close(begun)
				}
				<-release
				return []byte("v"), nil
			}
			var all sync.WaitGroup
			var mu sync.Mutex
			var items []kvclient.Item
			ask := func() {
				i, err := of().GetOrFill(t.Context(), name, slowly,
					kvclient.TTL(time.Hour), kvclient.Metadata{"lang": "en"}, kvclient.Lease(time.Minute))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				items = append(items, i)
			}
			all.Go(ask)
			<-begun
			for range 99 {
				all.Go(ask)
			}
			close(release)
			all.Wait()
			if n := calls.Load(); n != 1 {
				t.Errorf("filled %d times", n)
			}
			want, err := shared.Get(t.Context(), name)
			if err != nil || string(want.Value) != "v" || want.Expires.Sub(want.Updated) != time.Hour {
				t.Fatalf("stored is %+v, %v", want, err)
			}
			for _, got := range items {
				if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(time.Minute)); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	fill(t, shared, "by one client", nobodyFills(t))
}

// TestFillFails: the error is that of fill, and whoever comes next need not wait.
func TestFillFails(t *testing.T) {
	kv := open(t)
	long := kvclient.Lease(time.Minute)
	if _, err := kv.GetOrFill(t.Context(), "k", cannotRender, long); !errors.Is(err, errRender) || err.Error() != `kv fill "k": cannot render` {
		t.Errorf("got %v", err)
	}
	ctx, leave := context.WithCancel(t.Context())
	_, err := kv.GetOrFill(ctx, "k", func(ctx context.Context) ([]byte, error) {
		leave()
		return nil, ctx.Err()
	}, long)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
	large := func(context.Context) ([]byte, error) { return make([]byte, 1<<20+1), nil }
	var invalid *kvclient.Error
	if _, err := kv.GetOrFill(t.Context(), "k", large, long); !errors.As(err, &invalid) || invalid.Code != "invalid_argument" {
		t.Errorf("a value that is too large: got %v, want invalid_argument", err)
	}
	var calls atomic.Int64
	if got := fill(t, kv, "k", renders("v", &calls), long); string(got.Value) != "v" || got.Version == 0 || calls.Load() != 1 {
		t.Errorf("got %+v after %d calls", got, calls.Load())
	}
	for _, opts := range [][]kvclient.FillOption{{kvclient.Lease(time.Hour)}, {kvclient.Stale(-1)}} {
		if _, err := kv.GetOrFill(t.Context(), "k", nobodyFills(t), opts...); !errors.As(err, &invalid) || invalid.Code != "invalid_argument" {
			t.Errorf("got %v, want invalid_argument", err)
		}
	}
}

// TestFillStale: what ends soon is filled again by one, and is there if that fails.
func TestFillStale(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, other := kvclient.New(p.Client), kvclient.New(p.Client)
	put(t, kv, "k", "old", kvclient.TTL(time.Minute))
	opts := []kvclient.FillOption{kvclient.Stale(time.Hour), kvclient.TTL(2 * time.Hour), kvclient.Lease(time.Minute)}

	var failure error
	got := fill(t, kv, "k", cannotRender, append(opts, kvclient.SaveFailure(&failure))...)
	if string(got.Value) != "old" || !errors.Is(failure, errRender) {
		t.Errorf("got %q, failure %v, want the old item and why", got.Value, failure)
	}
	got = fill(t, other, "k", nobodyFills(t), append(opts, kvclient.SaveFailure(&failure))...) // somebody has the lease
	if string(got.Value) != "old" || failure != nil {
		t.Errorf("got %q, failure %v", got.Value, failure)
	}

	put(t, kv, "k", "old", kvclient.TTL(time.Minute)) // ends the lease
	got = fill(t, kv, "k", func(context.Context) ([]byte, error) {
		for _, kv := range []*kvclient.Client{kv, other} {
			if got := fill(t, kv, "k", nobodyFills(t), opts...); string(got.Value) != "old" {
				t.Errorf("meanwhile: got %q", got.Value)
			}
		}
		return []byte("new"), nil
	}, opts...)
	if string(got.Value) != "new" {
		t.Errorf("got %q", got.Value)
	}
	if got := fill(t, other, "k", nobodyFills(t), opts...); string(got.Value) != "new" {
		t.Errorf("and then %q", got.Value)
	}
}

// TestFillWithoutService: a service that is away costs no more than fill.
func TestFillWithoutService(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	kv := kvclient.New(client.NewClient(), kvclient.WithAddress(l.Addr().String()))
	var calls atomic.Int64
	var failure error
	got := fill(t, kv, "k", renders("v", &calls), kvclient.TTL(time.Minute), kvclient.SaveFailure(&failure))
	if string(got.Value) != "v" || got.Version != 0 || got.Expires.IsZero() || calls.Load() != 1 || !errors.Is(failure, kvclient.ErrUnavailable) {
		t.Errorf("got %+v after %d calls, failure %v", got, calls.Load(), failure)
	}
	if _, err := kv.GetOrFill(t.Context(), "k", cannotRender); !errors.Is(err, errRender) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kv.GetOrFill(ctx, "k", nobodyFills(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// TestFillFull: what cannot be stored is returned.
func TestFillFull(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"KV_QUOTAS": "*=keys:1"}, kvserver.Service())
	kv := kvclient.New(p.Client)
	put(t, kv, "other", "")
	var calls atomic.Int64
	for range 2 { // the second need not wait
		var failure *kvclient.Error
		var err error
		got := fill(t, kv, "k", renders("v", &calls), kvclient.Lease(time.Minute), kvclient.SaveFailure(&err))
		if string(got.Value) != "v" || got.Version != 0 || !errors.As(err, &failure) || failure.Reason != "kv.quota" {
			t.Errorf("got %+v, failure %v", got, err)
		}
	}
}

// TestFillerLeaves: of those who share a call one that leaves, or panics, takes nobody along.
func TestFillerLeaves(t *testing.T) {
	for name, leaves := range map[string]func(context.CancelFunc, context.Context) error{
		"canceled": func(leave context.CancelFunc, ctx context.Context) error { leave(); return ctx.Err() },
		"panics":   func(context.CancelFunc, context.Context) error { panic(errRender) },
	} {
		t.Run(name, func(t *testing.T) {
			kv := open(t)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			begun, release := make(chan struct{}), make(chan struct{})
			var all sync.WaitGroup
			all.Go(func() {
				defer func() { _ = recover() }()
				_, err := kv.GetOrFill(ctx, "k", func(ctx context.Context) ([]byte, error) {
					close(begun)
					<-release
					return nil, leaves(leave, ctx)
				}, kvclient.Lease(100*time.Millisecond))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
			<-begun
			var calls atomic.Int64
			for range 10 {
				all.Go(func() {
					if got, err := kv.GetOrFill(t.Context(), "k", renders("v", &calls)); err != nil || string(got.Value) != "v" {
						t.Errorf("got %q, %v", got.Value, err)
					}
				})
			}
			late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := kv.GetOrFill(late, "k", nobodyFills(t)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want deadline exceeded", err)
			}
			close(release)
			all.Wait()
			if calls.Load() != 1 {
				t.Errorf("filled %d times", calls.Load())
			}
		})
	}
}

// TestLateCallers: of those who share a call each has its own deadline.
func TestLateCallers(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv := kvclient.New(p.Client)
	rsp, err := kvpb.NewKVService("kv-srv", p.Client).Get(t.Context(), &kvpb.GetRequest{Key: "k", Lease: durationpb.New(time.Minute)})
	if err != nil || !rsp.GetLeased() {
		t.Fatalf("got %v, %v", rsp, err)
	}
	var late, patient sync.WaitGroup
	for i := range 10 {
		late.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*100*time.Millisecond)
			defer cancel()
			if _, err := kv.GetOrFill(ctx, "k", nobodyFills(t)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want deadline exceeded", err)
			}
		})
	}
	var calls atomic.Int64
	for range 10 {
		patient.Go(func() {
			if got, err := kv.GetOrFill(t.Context(), "k", renders("v", &calls), kvclient.Lease(time.Minute)); err != nil || string(got.Value) != "v" {
				t.Errorf("got %q, %v", got.Value, err)
			}
		})
	}
	late.Wait()
	if err := kv.Delete(t.Context(), "k"); !errors.Is(err, kvclient.ErrNotFound) { // gives the lease back
		t.Errorf("Delete: %v", err)
	}
	patient.Wait()
	if calls.Load() != 1 {
		t.Errorf("filled %d times", calls.Load())
	}
}

// TestFillOfOne: callers that share a value may change it.
func TestFillOfOne(t *testing.T) {
	kv := open(t)
	begun, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	change := func() {
		i, err := kv.GetOrFill(t.Context(), "k", func(context.Context) ([]byte, error) {
			close(begun)
			<-release
			return []byte("value"), nil
		}, kvclient.Metadata{"a": "b"})
		if err != nil || !bytes.Equal(i.Value, []byte("value")) || i.Metadata["a"] != "b" {
			t.Errorf("got %+v, %v", i, err)
		}
		i.Value[0]++
	}
	all.Go(change)
	<-begun
	for range 20 {
		all.Go(change)
	}
	close(release)
	all.Wait()
}

// TestFillsEnd: nothing goes on after who waited for a fill has left.
func TestFillsEnd(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	at := kvclient.WithAddress(p.Address("kv-srv"))
	kv := kvclient.New(p.Client, at)
	put(t, kv, "k", "") // connects
	begun := make(chan struct{})
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var filler, waiters sync.WaitGroup
	filler.Go(func() {
		_, _ = kv.GetOrFill(ctx, "slow", func(ctx context.Context) ([]byte, error) {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
	<-begun
	for i := range 10 {
		waiters.Go(func() {
			of := kv
			if i%2 == 0 {
				of = kvclient.New(p.Client, at)
			}
			late, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := of.GetOrFill(late, "slow", nobodyFills(t)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want deadline exceeded", err)
			}
		})
	}
	waiters.Wait()
	cancel()
	filler.Wait()
	noneLeft(t, before)
}
