package port_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/micro/platform/tests/echo"
)

// TestAdvertiseAll: who listens on every interface registers an address that answers.
func TestAdvertiseAll(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			if l, err := net.Listen("tcp", address); err != nil {
				t.Skipf("this machine cannot listen there: %v", err)
			} else if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c := config()
			c.Address, c.Insecure = address, true
			serve(t, c, with(&echo.Handler{}))
			all, err := c.Registry.GetService("echo-srv")
			if err != nil || len(all) != 1 || len(all[0].Nodes) != 1 {
				t.Fatalf("got %v, %v, want one node", all, err)
			}
			got, err := netip.ParseAddrPort(all[0].Nodes[0].Address)
			if err != nil || got.Addr().IsUnspecified() || got.Addr().IsLinkLocalUnicast() {
				t.Fatalf("got %s, %v, want an address that others reach", got, err)
			}
			if address == "[::1]:0" && !got.Addr().IsLoopback() {
				t.Errorf("got %s, want ::1", got)
			}
			conn, err := net.Dial("tcp", got.String())
			if err != nil {
				t.Fatalf("the registered address: %v", err)
			}
			t.Logf("registered %s", got)
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
