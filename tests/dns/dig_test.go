// Package dns_test has dig and Go's resolver ask discovery-srv.
package dns_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// dig asks, and returns what dig prints in order.
func dig(t *testing.T, address string, args ...string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "dig", append([]string{"@" + host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("dig %v: %v\n%s", args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestDig asks as the README of discovery-srv does.
func TestDig(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("needs dig: make test-interop")
	}
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	registry := discoverypb.NewRegistryService("discovery-srv", p.Client)
	for id, address := range map[string]string{"a": "192.0.2.1:9001", "b": "192.0.2.2:9002", "c": "[2001:db8::1]:9003"} {
		for _, service := range []string{"greeter", "go.micro.srv.Greeter", "a b/c"} {
			req := &discoverypb.RegisterRequest{Service: service, Instance: &discoverypb.Instance{Id: id, Address: address}}
			if _, err := registry.Register(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := p.Door("discovery-srv", call.DNS)
	const (
		a   = "192.0.2.1\n192.0.2.2"
		srv = "0 100 9001 c0000201.addr.platform.\n0 100 9002 c0000202.addr.platform.\n0 100 9003 20010db8000000000000000000000001.addr.platform."
	)
	for args, want := range map[string]string{
		"+short greeter.platform":                         a,
		"+short +tcp greeter.platform A":                  a,
		"+short GO.micro.srv.greeter.platform":            a,
		"+short greeter.platform AAAA":                    "2001:db8::1",
		"+short greeter.platform SRV":                     srv,
		"+short +tcp greeter.default.ns.platform SRV":     srv,
		"+short +noedns +bufsize=0 greeter.platform SRV":  srv,
		"+short a\\032b/c.platform":                       a,
		"+short c0000202.addr.platform":                   "192.0.2.2",
		"+short none.platform":                            "",
		"+short platform NS":                              "7f000001.addr.platform.",
		"+short +tcp greeter.platform ANY":                `"RFC8482" ""`,
		"+noall +additional greeter.platform SRV +noedns": "20010db8000000000000000000000001.addr.platform. 1 IN AAAA 2001:db8::1\nc0000201.addr.platform. 1 IN A 192.0.2.1\nc0000202.addr.platform. 1 IN A 192.0.2.2",
	} {
		if diff := cmp.Diff(want, dig(t, at, strings.Fields(args)...)); diff != "" {
			t.Errorf("dig %s (-want +got):\n%s", args, diff)
		}
	}
	for args, want := range map[string]string{
		"none.platform":                       "status: NXDOMAIN",
		"greeter.platform TXT":                "status: NOERROR",
		"example.com":                         "status: REFUSED",
		"greeter.platform":                    "flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1",
		"+edns=1 +noednsneg greeter.platform": "status: BADVERS",
		"+opcode=UPDATE greeter.platform":     "status: NOTIMP",
	} {
		if got := dig(t, at, strings.Fields(args)...); !strings.Contains(got, want) || strings.Contains(got, "WARNING: Message") || strings.Contains(got, "malformed") {
			t.Errorf("dig %s: got\n%s\nwant %s", args, got, want)
		}
	}
}

// TestResolver has Go's resolver find services.
func TestResolver(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	registry := discoverypb.NewRegistryService("discovery-srv", p.Client)
	const many = 200 // do not fit into a datagram
	for i := range many {
		instance := &discoverypb.Instance{Id: strconv.Itoa(i), Address: net.JoinHostPort(net.IPv4(192, 0, 2, byte(i)).String(), "80")}
		if _, err := registry.Register(t.Context(), &discoverypb.RegisterRequest{Service: "greeter", Instance: instance}); err != nil {
			t.Fatal(err)
		}
	}
	at := p.Door("discovery-srv", call.DNS)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}}
	if all, err := r.LookupHost(t.Context(), "greeter.platform."); err != nil || len(all) != many {
		t.Errorf("got %d addresses, %v", len(all), err)
	}
	_, all, err := r.LookupSRV(t.Context(), "", "", "greeter.platform.")
	if err != nil || len(all) != many {
		t.Fatalf("got %d services, %v", len(all), err)
	}
	if found, err := r.LookupHost(t.Context(), all[0].Target); err != nil || len(found) != 1 {
		t.Errorf("%s: got %v, %v", all[0].Target, found, err)
	}
	if _, err := r.LookupHost(t.Context(), "none.platform."); !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v", err)
	}
}
