package main

import (
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestServicesWatch prints who is there, and then what changes.
func TestServicesWatch(t *testing.T) {
	c := newCommand(t)
	out, errs, stop := c.start("services", "--watch")
	asJSON, _, stopJSON := c.start("services", "--watch", "-o", "json")
	if got := strings.Fields(out.await("SERVICE")); !slices.Equal(got, []string{"SERVICE", "VERSION", "ADDRESS", "ENDPOINTS", "STATE"}) {
		t.Errorf("got %s", got)
	}
	if got := strings.Fields(out.await("kv-srv")); got[3] != "11" || got[4] != "ready" {
		t.Errorf("got %s", got)
	}
	errs.await("Watching")
	var first change
	if err := json.Unmarshal([]byte(asJSON.await("echo-srv")), &first); err != nil || first.Change != "came" || first.State != "ready" || len(first.Instance.Endpoints) != 5 {
		t.Errorf("got %+v, error %v", first, err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c.register("new\x07", address)
	if got := out.await(address); !strings.HasSuffix(got, `  came       "new\a"  `+address+"  away: connection refused") {
		t.Errorf("got %q", got)
	}
	got := asJSON.await(address)
	if err := json.Unmarshal([]byte(got), &first); err != nil || first.Change != "came" || first.State != "away" || first.Instance.Name != "new\a" {
		t.Errorf("got %s, error %v", got, err)
	}
	for _, stop := range []func() int{stop, stopJSON} {
		if code := stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// testWatch sees a process come, killed, back and leave, over mDNS.
func testWatch(b binary) {
	watch := b.start("services", "--watch")
	watch.err.await("Watching")
	top := b.start("top")
	server, address := b.serve()
	watch.out.await("came       kv-srv  " + address)
	awaitTop(top, address, "ready")
	if err := server.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	watch.out.await("away       kv-srv  " + address + "  connection refused")
	awaitTop(top, address, "away")
	server.stop()

	same := b
	same.env = slices.Concat(b.env, []string{"KV_ADDRESS=" + address})
	server, _ = same.serve()
	watch.out.await("ready      kv-srv  " + address)
	server.stop(syscall.SIGTERM)
	watch.out.await("  kv-srv  " + address) // it went, or is away where what mDNS says of it got lost
	for _, s := range []started{watch, top} {
		if code := s.stop(os.Interrupt); code != 0 {
			b.t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// awaitTop reads until an address is in a state.
func awaitTop(top started, address, state string) {
	top.t.Helper()
	for c := (command{t: top.t}); ; {
		for _, i := range c.seen(top.out.await(address)).Instances {
			if i.Address == address && i.State == state {
				return
			}
		}
	}
}
