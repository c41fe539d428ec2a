package kvserver_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// door is a way to call the service.
type door struct {
	get func(context.Context, *kvpb.GetRequest) (*kvpb.GetResponse, error)
	put func(context.Context, *kvpb.PutRequest) error
}

func doors(t *testing.T, p *hosttest.Platform) map[string]door {
	t.Helper()
	conn, err := grpc.NewClient(p.Address("kv-srv"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	kv := kvpb.NewKVService("kv-srv", p.Client)
	return map[string]door{
		"mucp": {
			func(ctx context.Context, req *kvpb.GetRequest) (*kvpb.GetResponse, error) {
				return kv.Get(ctx, req, client.Unary(ctx, false)...)
			},
			func(ctx context.Context, req *kvpb.PutRequest) error { _, err := kv.Put(ctx, req); return err },
		},
		"grpc": {
			func(ctx context.Context, req *kvpb.GetRequest) (*kvpb.GetResponse, error) {
				var rsp kvpb.GetResponse
				return &rsp, conn.Invoke(ctx, "/micro.kv.v1.KV/Get", req, &rsp)
			},
			func(ctx context.Context, req *kvpb.PutRequest) error {
				return conn.Invoke(ctx, "/micro.kv.v1.KV/Put", req, &kvpb.PutResponse{})
			},
		},
	}
}

// TestLeases: of a hundred callers one fills, and if it dies another one.
func TestLeases(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	for name, d := range doors(t, p) {
		t.Run(name, func(t *testing.T) {
			for _, dies := range []bool{false, true} {
				fills := ask(t, d, fmt.Sprint(name, dies), dies)
				if want := map[bool]int{false: 1, true: 2}[dies]; fills != want {
					t.Errorf("the first one dies: %t: %d were leased, want %d", dies, fills, want)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			req := &kvpb.GetRequest{Key: name + " that nobody fills", Lease: durationpb.New(time.Minute)}
			if rsp, err := d.get(ctx, req); err != nil || !rsp.GetLeased() {
				t.Fatalf("got %v, %v", rsp, err)
			}
			short, end := context.WithTimeout(ctx, time.Second)
			defer end()
			if rsp, err := d.get(short, req); err == nil {
				t.Errorf("beside it: got %v, want that the deadline passes", rsp)
			}
			_, err := d.get(ctx, &kvpb.GetRequest{Key: "k", Stale: durationpb.New(1)})
			if got := client.Error(err); !strings.Contains(got.Message, "stale: ") {
				t.Errorf("stale of 1ns: got %v", err)
			}
		})
	}
	metrics := get(t, p, "/metrics")
	for _, want := range []string{
		"kv_leases 2", "kv_lease_waiters 0", "kv_leases_expired_total 2", "kv_leases_unkept_total 0",
		`kv_leases_total ([89]|\d\d)`, // 8, and those taken a moment after the item was put
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(metrics) {
			t.Errorf("/metrics has no %s:\n%s", want, metrics)
		}
	}
}

// ask has a hundred callers ask for a key, of which those that are leased put it, but the
// first if it dies. It returns how many were leased.
func ask(t *testing.T, d door, key string, dies bool) (leased int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	length := time.Minute
	if dies {
		length = 500 * time.Millisecond
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 100 {
		all.Go(func() {
			rsp, err := d.get(ctx, &kvpb.GetRequest{Key: key, Lease: durationpb.New(length)})
			if err != nil {
				t.Error(err)
				return
			}
			if !rsp.GetLeased() {
				if got := string(rsp.GetItem().GetValue()); got != "v" {
					t.Errorf("got %q", got)
				}
				return
			}
			mu.Lock()
			leased++
			first := leased == 1
			mu.Unlock()
			if first && dies {
				return
			}
			if err := d.put(ctx, &kvpb.PutRequest{Key: key, Value: []byte("v")}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return leased
}
