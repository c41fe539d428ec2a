package ring_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A network is machines in network namespaces of their own, which one more namespace
// routes between. The machine that the test runs on is one of its hosts, too.
type network struct {
	t       testing.TB
	name    string // of its namespaces, and the link to this machine
	subnet  string // of addresses that are for benchmarks of networks (RFC 2544)
	machine int    // how many there are
	cuts    []string
}

// newNetwork makes one, which is gone after the test.
func newNetwork(t testing.TB, machines int) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	id := rand.IntN(512)
	n := &network{t: t, name: fmt.Sprintf("kvring%d", id), subnet: fmt.Sprintf("198.%d.%d", 18+id/256, id%256), machine: machines}
	n.namespace("router")
	n.ip("link add", n.name, "type veth peer name root netns", n.of("router"))
	n.ip("addr add", n.address(254), "dev", n.name)
	n.ip("link set", n.name, "up")
	n.connect("root", 254)
	n.ip("route add", n.subnet+".0/24 via", n.address(1), "dev", n.name, "onlink src", n.address(254))
	for i := range machines {
		n.namespace(machine(i))
		n.ip("-n", n.of("router"), "link add", machine(i), "type veth peer name eth0 netns", n.of(machine(i)))
		n.ip("-n", n.of(machine(i)), "addr add", n.address(10+i), "dev eth0")
		n.ip("-n", n.of(machine(i)), "link set eth0 up")
		n.connect(machine(i), 10+i)
		n.ip("-n", n.of(machine(i)), "route add default via", n.address(1), "dev eth0 onlink")
	}
	n.ip("netns exec", n.of("router"), "tee /proc/sys/net/ipv4/ip_forward")
	return n
}

// namespace makes one, with a loopback interface.
func (n *network) namespace(name string) {
	n.t.Helper()
	n.ip("netns add", n.of(name))
	n.t.Cleanup(func() { n.ip("netns del", n.of(name)) }) // its links go with it
	n.ip("-n", n.of(name), "link set lo up")
}

// connect lets the router reach a host over a link of that name.
func (n *network) connect(link string, host int) {
	n.t.Helper()
	n.ip("-n", n.of("router"), "addr add", n.address(1), "dev", link)
	n.ip("-n", n.of("router"), "link set", link, "up")
	n.ip("-n", n.of("router"), "route add", n.address(host), "dev", link)
}

func (n *network) of(name string) string   { return n.name + "-" + name }
func (n *network) address(host int) string { return fmt.Sprintf("%s.%d", n.subnet, host) }
func machine(i int) string                 { return fmt.Sprint("machine", i) }

// ip runs a command of iproute2. What reads gets a 1.
func (n *network) ip(words ...string) {
	n.t.Helper()
	cmd := exec.Command("ip", strings.Fields(strings.Join(words, " "))...)
	cmd.Stdin = strings.NewReader("1\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %v: %s", cmd, err, out)
	}
}

// hosts are the machines, for a node each.
func (n *network) hosts() []host {
	var all []host
	for i := range n.machine {
		at := n.address(10 + i)
		all = append(all, host{service: at + ":8106", gossip: at + ":7946", enter: []string{"ip", "netns", "exec", n.of(machine(i))}})
	}
	return all
}

// cut lets the router drop, without a word, what some machines and all others send each
// other. This machine reaches all of them.
func (n *network) cut(some ...int) {
	n.t.Helper()
	for i := range n.machine {
		for _, j := range some {
			if !slices.Contains(some, i) {
				n.drop(i, j)
				n.drop(j, i)
			}
		}
	}
}

func (n *network) drop(from, to int) {
	n.t.Helper()
	rule := strings.Join([]string{"iif", machine(from), "to", n.address(10 + to), "blackhole"}, " ")
	n.ip("-n", n.of("router"), "rule add", rule)
	n.cuts = append(n.cuts, rule)
}

func (n *network) heal() {
	n.t.Helper()
	for _, rule := range n.cuts {
		n.ip("-n", n.of("router"), "rule del", rule)
	}
	n.cuts = nil
}
