package kvclient_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/kv-srv/kvserver/ringtest"
)

// TestRing: each node tells of the same nodes, and of what they have.
func TestRing(t *testing.T) {
	before := time.Now()
	nodes := ringtest.Run(t, 2).Nodes
	const items = 100
	for i := range items {
		put(t, kvclient.New(nodes[i%2].Client), fmt.Sprint("k", i), "v")
	}
	var names []string
	for _, p := range nodes {
		r, err := kvclient.New(p.Client).Ring(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Replicas != 2 || r.Slots < 100 || r.Node != p.Address("kv-srv") || len(r.Nodes) != 2 {
			t.Errorf("got %+v", r)
		}
		var keys, copies int64
		var share float64
		for _, n := range r.Nodes {
			keys, copies, share = keys+n.Keys, copies+n.Copies, share+n.Share
			if n.State != kvclient.NodeServing || n.Silent || n.Waiting != "" || n.Bytes <= 0 || n.MaxBytes < n.Bytes || n.Started.Before(before.Add(-time.Millisecond)) {
				t.Errorf("%s has %+v", r.Node, n)
			}
			names = append(names, n.Name)
		}
		if keys != items || copies != items || math.Abs(share-1) > 1e-9 {
			t.Errorf("%d keys and %d copies, want %d; the shares add up to %g", keys, copies, items, share)
		}
	}
	if len(names) != 4 || names[0] != names[2] || names[1] != names[3] || names[0] >= names[1] {
		t.Errorf("the nodes are %q", names)
	}
}

// TestNoRing: one process is no ring, and the error says what makes one.
func TestNoRing(t *testing.T) {
	for store, says := range map[string]string{
		"memory:":                 "memory in one process cannot tell of a ring (memory: with KV_PEERS can)",
		"memcached://127.0.0.1:1": "memcached cannot tell of a ring (memory: with KV_PEERS can)",
	} {
		kv := kvclient.New(hosttest.Run(t, map[string]string{"KV_STORE": store}, kvserver.Service()).Client)
		_, err := kv.Ring(t.Context())
		if e, ok := errors.AsType[*kvclient.Error](err); !ok || e.Reason != "kv.unsupported" || !strings.Contains(e.Error(), says) {
			t.Errorf("%s: got %v, want %s", store, err, says)
		}
	}
}
