package kvserver_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/kv-srv/kvserver/ringtest"
)

// TestWrongRings: settings that make no ring, each with what is allowed.
func TestWrongRings(t *testing.T) {
	const peers = "127.0.0.1:1"
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"KV_PEERS": peers, "KV_STORE": "disk:"}, "KV_PEERS: nothing is in memory:, which is what is shared with peers"},
		{map[string]string{"KV_PEERS": peers, "KV_STORES": "a=memory:?size=16MiB"}, "KV_STORES: a ring is one store: write memory: in the same way each time"},
		{map[string]string{"KV_PEERS": peers, "KV_QUOTAS": "*=keys:1"}, "KV_QUOTAS: *: memory: of several processes keeps no quotas (of one, and disk:, do)"},
		{map[string]string{"KV_STORE": "memory:?replicas=2"}, "KV_STORE: memory: has replicas in a ring alone: set KV_PEERS"},
		{map[string]string{"KV_PEERS": peers, "KV_STORE": "memory:?replicas=9"}, "KV_STORE: memory: replicas=9 is no number from 1 to 5"},
		{map[string]string{"KV_PEERS": peers, "KV_STORE": "memory:?replicas=0"}, "KV_STORE: memory: replicas=0 is no number from 1 to 5"},
		{map[string]string{"KV_PEERS": peers, "KV_RING_KEY": "no base64"}, "KV_RING_KEY: not the base64 of 16, 24 or 32 bytes"},
		{map[string]string{"KV_PEERS": peers, "KV_RING_KEY": "MDEyMzQ1Njc4OWFiY2Rl"}, "KV_RING_KEY: not the base64 of 16, 24 or 32 bytes"},
		{
			map[string]string{"KV_PEERS": peers, "KV_RING_ADDRESS": "0.0.0.0:7946"},
			"KV_RING_KEY: needed where KV_RING_ADDRESS is not on loopback: KV_RING_KEY_FILE names a file with the base64 of 32 random bytes",
		},
	} {
		wantWrong(t, c.env, c.want)
	}
}

// TestRingMetrics: a node tells what it holds, and what it knows of the ring.
func TestRingMetrics(t *testing.T) {
	r := ringtest.Run(t, 2)
	kv := kvclient.New(r.Nodes[0].Client)
	for _, key := range []string{"a", "b", "c"} {
		if _, err := kv.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range r.Nodes {
		metrics := get(t, n, "/metrics")
		for _, want := range []string{
			"kv_items 3", "kv_bytes_max ", "kv_watchers 0",
			"kv_ring_nodes 2", "kv_ring_moving 0", "kv_ring_moved_total 0", "kv_ring_conflicts_total 0",
		} {
			if !strings.Contains(metrics, "\n"+strings.Replace(want, " ", `{namespaces="*"} `, 1)) {
				t.Errorf("/metrics has no %q:\n%s", want, metrics)
			}
		}
	}
}

// TestRingInRegistry: nodes that know a registry alone find each other there.
func TestRingInRegistry(t *testing.T) {
	reg := registry.NewMemoryRegistry()
	var addresses []string
	for range 2 {
		env := map[string]string{
			"KV_PEERS": "registry:", "KV_ADDRESS": "127.0.0.1:0", "KV_RING_ADDRESS": "127.0.0.1:0", "PLATFORM_DATA": t.TempDir(),
		}
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		started, done := make(chan string, 1), make(chan error, 1)
		p := host.Process{
			Getenv: func(name string) string { return env[name] }, Stderr: t.Output(), Registry: reg,
			Started: func(all []host.Running) { started <- all[0].Address },
		}
		go func() { done <- host.Run(ctx, p, kvserver.Service()) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		select {
		case address := <-started:
			addresses = append(addresses, address)
		case err := <-done:
			done <- nil
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	for _, address := range addresses {
		kv := kvclient.New(client.New(reg, nil, log), kvclient.WithAddress(address))
		ringtest.Await(t, kv, func(r kvclient.Ring) bool { return ringtest.Settled(r, 2) })
	}
}
