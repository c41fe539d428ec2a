package gossip_test

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store/ring/gossip"
)

// On all interfaces, a node tells others an address that they can use.
func TestAllInterfaces(t *testing.T) {
	for _, c := range []struct{ name, bind, address, want string }{
		{"no host", ":0", "127.0.0.1:8106", "127.0.0.1"},
		{"zeros", "0.0.0.0:0", "127.0.0.1:8106", "127.0.0.1"},
		{"a node that is called by name", ":0", "kv.test:8106", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := gossip.Open(gossip.Config{
				Address: c.address, Bind: c.bind,
				Met: func(string) {}, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil && strings.Contains(err.Error(), "No private IP address") {
				t.Skip("this machine has none")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			host, port, err := net.SplitHostPort(g.Address())
			ip, bad := netip.ParseAddr(host)
			if err != nil || bad != nil || ip.IsUnspecified() || c.want != "" && host != c.want || port == "0" {
				t.Errorf("got %s, %v", g.Address(), err)
			}
		})
	}
}
