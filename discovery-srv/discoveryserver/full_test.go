package discoveryserver_test

import (
	"fmt"
	"log/slog"
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
