package discoveryserver_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestSmallReadNode follows a node that has more than there is room for: it says that.
func TestSmallReadNode(t *testing.T) {
	write := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	read := hosttest.Run(t, map[string]string{
		"DISCOVERY_ROLE": "read", "DISCOVERY_SOURCE": write.Address("discovery-srv"), "DISCOVERY_SIZE": "1MiB",
	}, discoveryserver.Service())
	at := func(p *hosttest.Platform) *node {
		c := client.Protobuf(client.ByAddress(nil, slog.New(slog.DiscardHandler), p.Address("discovery-srv")))
		return &node{t, discoverypb.NewRegistryService("discovery-srv", c)}
	}
	away := func() string {
		rsp, err := at(read).ListServices(t.Context(), &discoverypb.ListServicesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return rsp.GetState().GetAway()
	}
	eventually(t, "following", func() bool { return away() == "" })
	writes := at(write)
	for i := range 100 {
		writes.register("small", fmt.Sprint(i))
	}
	eventually(t, "known", func() bool { return at(read).find("small", "99") != nil })
	if got := away(); got != "" {
		t.Errorf("while there is room: %s", got)
	}
	for i := range 1000 {
		writes.register("crowd", fmt.Sprint(i))
	}
	eventually(t, "said", func() bool { return strings.Contains(away(), "does not have all") })
	writes.register("crowd", "0") // a message that comes after does not take it back
	writes.status("small", "0", "", discoverypb.Status_STATUS_DRAINING, "after all")
	eventually(t, "told", func() bool {
		return at(read).find("small", "0").GetStatus() == discoverypb.Status_STATUS_DRAINING
	})
	if got := away(); !strings.Contains(got, "does not have all") {
		t.Errorf("when more was told: got %q", got)
	}
}

// TestFullIsReady: a node that has no room for more answers for what it has, and /readyz says
// that there is more.
func TestFullIsReady(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:", "DISCOVERY_SIZE": "1MiB"}, discoveryserver.Service())
	c := discoverypb.NewRegistryService("discovery-srv", client.Protobuf(p.Client))
	var err error
	for i := 0; err == nil && i < 5000; i++ {
		if i == 100 && strings.Contains(readyz(t, p), "DISCOVERY_SIZE") {
			t.Error("it is called full while there is room")
		}
		_, err = c.Register(t.Context(), &discoverypb.RegisterRequest{
			Service: "crowd", Instance: &discoverypb.Instance{Id: fmt.Sprint(i), Address: "10.0.0.7:80"},
		})
	}
	if got := client.Error(err); got == nil || got.Reason != "discovery.full" {
		t.Fatalf("got %v, want discovery.full", err)
	}
	if got := readyz(t, p); !strings.Contains(got, "not all that was told finds room in DISCOVERY_SIZE") {
		t.Errorf("/readyz says %s", got)
	}
}

// readyz is what the node says of itself. It is ready.
func readyz(t *testing.T, p *hosttest.Platform) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address("discovery-srv")+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Fatalf("/readyz: %s, %v", rsp.Status, err)
	}
	return string(body)
}
