package discoveryclient_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestFull fills a node. Who is there stays, renews, and can be drained; who finds no room
// can tell, and has those wait for nothing that are registered beside.
func TestFull(t *testing.T) {
	env := settings()
	env["DISCOVERY_SIZE"] = "1MiB"
	p := hosttest.Run(t, env, discoveryserver.Service())
	r := of(t, p)
	beside := discoveryclient.NewRegistry(p.Address(discoveryclient.Service))
	defer beside.Close()
	register(t, beside, "beside", "", time.Second)
	r.up("witness", "w", func(r *discoverypb.RegisterRequest) { r.Ttl = durationpb.New(3 * time.Second) })
	for full, id := false, 0; !full; id++ {
		_, err := r.rpc.Register(t.Context(), &discoverypb.RegisterRequest{
			Service: "s", Instance: &discoverypb.Instance{Id: fmt.Sprint(id), Address: "10.0.0.7:80"},
		})
		full = err != nil
	}
	register(t, beside, "large", strings.Repeat("x", 10<<10), time.Second)
	if err := beside.Ready("large"); !errors.Is(err, discoveryclient.ErrFull) {
		t.Errorf("Ready of what finds no room: got %v, want ErrFull", err)
	}
	d := discoveryclient.New(p.Client)
	for i := range 100 {
		if _, _, err := d.Drain(t.Context(), "s", fmt.Sprint(i), strings.Repeat("x", 256)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "loss of the witness, whom nobody renews", func() bool {
		_, err := d.GetService(t.Context(), "witness")
		return errors.Is(err, discoveryclient.ErrNotFound)
	})
	var happened []discoveryclient.EventType
	for _, e := range all(t, d.Timeline(t.Context(), "beside", "")) {
		happened = append(happened, e.Type)
	}
	if diff := cmp.Diff([]discoveryclient.EventType{discoveryclient.EventRegistered}, happened); diff != "" {
		t.Errorf("what is registered beside (-want +got):\n%s", diff)
	}
	for i := range 100 {
		if err := d.Deregister(t.Context(), "s", fmt.Sprint(i), "makes room"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "registration when there is room", func() bool { return beside.Ready("large") == nil })
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !yes(); <-tick.C {
		if time.Since(begun) > time.Minute {
			t.Fatalf("no %s after a minute", what)
		}
	}
}

func register(t *testing.T, r *discoveryclient.Registry, service, metadata string, ttl time.Duration) {
	t.Helper()
	s := &registry.Service{Name: service, Nodes: []*registry.Node{{Id: "a", Address: "10.0.0.7:80", Metadata: map[string]string{"m": metadata}}}}
	if err := r.Register(s, registry.RegisterTTL(ttl)); err != nil {
		t.Fatal(err)
	}
}
