package dns_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
)

// TestDoor: a query is a call of Registry in the chain, and the door is where the settings
// say.
func TestDoor(t *testing.T) {
	n := run(t)
	n.register("greeter/a@192.0.2.1:80")
	for _, name := range []string{"greeter.platform.", "none.platform.", "c0000201.addr.platform."} {
		n.exchange("udp", question(name, dns.TypeA))
		n.exchange("tcp", question(name, dns.TypeA))
	}
	rsp, err := http.Get("http://" + n.Address("discovery-srv") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	metrics, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for code, count := range map[string]int{"ok": 2, "not_found": 2} {
		want := fmt.Sprintf(`code="%s",endpoint="Registry.GetService",protocol="dns"} %d`, code, count)
		if !strings.Contains(string(metrics), want) {
			t.Errorf("no %s in metrics:\n%s", want, grep(string(metrics), "dns"))
		}
	}
}

func grep(text, word string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return !strings.Contains(l, word) }), "\n")
}

// TestSettings: the door can be moved and shut, and is refused where others reach it.
func TestSettings(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.LocalAddr().String()
	for value, want := range map[string]string{
		"0.0.0.0:0": "DISCOVERY_DNS: other machines can reach 0.0.0.0:0, and this protocol is neither encrypted nor authenticated",
		"nowhere":   `DISCOVERY_DNS: "nowhere" is no address`,
		at:          " " + at + ": bind: address already in use: does it run already? Else set DISCOVERY_DNS to another",
	} {
		if _, err := start(t, "DISCOVERY_DNS", value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v", value, err)
		}
	}
	if doors, err := start(t, "DISCOVERY_DNS", "off"); err != nil || len(doors) > 0 {
		t.Errorf("off: got %v, %v", doors, err)
	}
	if doors, err := start(t, "DISCOVERY_DNS", "0.0.0.0:0", "PLATFORM_INSECURE", "true"); err != nil || doors[call.DNS] == "" {
		t.Errorf("with leave: got %v, %v", doors, err)
	}
}

// TestRoles: a node that reads answers what it has heard, and until it has heard anything
// says that it could not tell; one that only writes answers none.
func TestRoles(t *testing.T) {
	write := run(t)
	write.register("greeter/a@192.0.2.1:80")
	read := run(t, "DISCOVERY_ROLE", "read", "DISCOVERY_SOURCE", write.Address("discovery-srv"))
	for end := time.Now().Add(patience); short(read.exchange("udp", question("greeter.platform.", dns.TypeA))) != "NOERROR; A 192.0.2.1"; {
		if time.Now().After(end) {
			t.Fatal("a node that reads does not hear of an instance")
		}
	}
	if got := short(read.exchange("udp", question("none.platform.", dns.TypeA))); got != none {
		t.Errorf("got %s, want %s", got, none)
	}
	alone := run(t, "DISCOVERY_ROLE", "read", "DISCOVERY_SOURCE", "127.0.0.1:1")
	for name, want := range map[string]string{
		"greeter.platform.": "SERVFAIL", "greeter.a.ns.platform.": "SERVFAIL", "a.ns.platform.": "SERVFAIL",
		"x.addr.platform.": none, "c0000201.addr.platform.": "NOERROR; A 192.0.2.1", "platform.": nodata,
	} {
		if got := short(alone.exchange("udp", question(name, dns.TypeA))); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if doors, err := start(t, "DISCOVERY_ROLE", "write"); err != nil || len(doors) > 0 {
		t.Errorf("one that writes: got doors %v, error %v", doors, err)
	}
}

// TestMutual: where callers show certificates, those of DNS do not, and so it is on loopback
// alone.
func TestMutual(t *testing.T) {
	ca := certstest.NewCA(t)
	pair := ca.Issue("discovery.test", time.Now().Add(time.Hour))
	root := certstest.File(t, ca.PEM)
	mutual := []string{
		"PLATFORM_TLS_CERT", certstest.File(t, pair.Cert), "PLATFORM_TLS_KEY", certstest.File(t, pair.Key),
		"PLATFORM_TLS_CLIENT_CA", root, "PLATFORM_TLS_CA", root, "PLATFORM_TLS_SERVER_NAME", "discovery.test",
	}
	if _, err := start(t, append(mutual, "DISCOVERY_ADDRESS", "0.0.0.0:0", "DISCOVERY_DNS", "0.0.0.0:0")...); err == nil || !strings.HasPrefix(err.Error(), "DISCOVERY_DNS: other machines can reach") {
		t.Errorf("got error %v", err)
	}
	n := run(t, mutual...)
	n.register("greeter/a@192.0.2.1:80")
	for _, network := range []string{"udp", "tcp"} {
		if got := short(n.exchange(network, question("greeter.platform.", dns.TypeA))); got != "NOERROR; A 192.0.2.1" {
			t.Errorf("over %s: got %s", network, got)
		}
	}
}

// start runs a service until it has started, and returns its doors or why it has none.
func start(t *testing.T, env ...string) (doors map[string]string, err error) {
	t.Helper()
	all := map[string]string{
		"DISCOVERY_REGISTRY": "memory:", "PLATFORM_REGISTRY": "memory:", "DISCOVERY_ADDRESS": "127.0.0.1:0", "PLATFORM_DATA": t.TempDir(),
	}
	for pair := range slices.Chunk(env, 2) {
		all[pair[0]] = pair[1]
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = host.Run(ctx, host.Process{
		Getenv: func(name string) string { return all[name] }, Stderr: t.Output(),
		Started: func(running []host.Running) { doors = running[0].Doors; cancel() },
	}, discoveryserver.Service())
	return doors, err
}

// TestEnd: nothing is left.
func TestEnd(t *testing.T) {
	left := hosttest.Leftovers(goleak.IgnoreCurrent())
	t.Run("run", func(t *testing.T) {
		n := run(t)
		n.register("greeter/a@192.0.2.1:80")
		n.exchange("udp", question("greeter.platform.", dns.TypeA))
		n.exchange("tcp", question("greeter.platform.", dns.TypeA))
		if c, err := net.Dial("tcp", n.address); err != nil { // says nothing
			t.Error(err)
		} else {
			t.Cleanup(func() { c.Close() })
		}
	})
	goleak.VerifyNone(t, left...)
}
