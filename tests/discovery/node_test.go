package discovery_test

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// node is a discovery-srv in a process of its own, as those see it who ask it.
type node struct {
	*process
	*discoveryclient.Client

	address string
	rpc     discoverypb.RegistryService
}

// open starts a node, and waits until it answers.
func open(t *testing.T, settings ...string) *node {
	t.Helper()
	n := &node{address: free(t)}
	n.process = begin(t, "discovery-srv", append([]string{
		"DISCOVERY_ADDRESS=" + n.address, "DISCOVERY_REGISTRY=memory:", "DISCOVERY_DNS=off", "PLATFORM_REGISTRY=memory:",
	}, settings...)...)
	c := client.ByAddress(nil, slog.New(slog.DiscardHandler), n.address)
	n.Client = discoveryclient.New(c, discoveryclient.WithAddress(n.address))
	n.rpc = discoverypb.NewRegistryService("discovery-srv", client.Protobuf(c))
	n.awaken()
	return n
}

// awaken waits until the node answers.
func (n *node) awaken() {
	n.t.Helper()
	eventually(n.t, "answer of "+n.address, func() bool {
		_, err := n.Node(n.t.Context())
		return err == nil
	})
}

// state is what the node knows of itself.
func (n *node) state() discoveryclient.Node {
	n.t.Helper()
	s, err := n.Node(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// count is how many instances of a service it knows.
func (n *node) count(service string) int {
	n.t.Helper()
	found, _ := n.GetService(n.t.Context(), service) // none is none
	return len(found)
}

// read returns a page of its port.
func (n *node) read(path string) string {
	n.t.Helper()
	c := http.Client{Timeout: patient, Transport: &http.Transport{DisableKeepAlives: true}}
	rsp, err := c.Get("http://" + n.address + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil || rsp.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %s, %v\n%s", path, rsp.Status, err, b)
	}
	return string(b)
}

// metric is one that the node counts.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(n.read("/metrics"))
	if found == nil {
		n.t.Fatalf("no %s in /metrics", name)
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

// memory is the most that the process has had at a time, in bytes.
func (n *node) memory() int {
	n.t.Helper()
	if runtime.GOOS != "linux" {
		n.t.Skip("no /proc tells of a process's memory")
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(n.cmd.Process.Pid) + "/status")
	if err != nil {
		n.t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(b)
	if found == nil {
		n.t.Fatalf("no peak in\n%s", b)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		n.t.Fatal(err)
	}
	return kib << 10
}

// crowd is an application that registers COUNT instances of SERVICE, PREFIX0 and so on, and
// renews them.
func crowd() error {
	r := discoveryclient.NewRegistry(os.Getenv("DISCOVERY"))
	ttl, err := time.ParseDuration(os.Getenv("TTL"))
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv("COUNT"))
	if err != nil {
		return err
	}
	for i := range count {
		s := &registry.Service{Name: os.Getenv("SERVICE"), Nodes: []*registry.Node{{Id: os.Getenv("PREFIX") + strconv.Itoa(i), Address: "127.0.0.1:9000"}}}
		if err := r.Register(s, registry.RegisterTTL(ttl)); err != nil {
			return err
		}
	}
	select {} // until it is killed
}

// crowd starts a process that has many instances of the service "crowd" at the node.
func (n *node) crowd(prefix string, count int, ttl time.Duration) *process {
	n.t.Helper()
	return begin(n.t, "crowd", "DISCOVERY="+n.address, "SERVICE=crowd", "PREFIX="+prefix, "COUNT="+strconv.Itoa(count), "TTL="+ttl.String())
}

// eventually waits for what should come soon.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !yes(); <-tick.C {
		if time.Since(begun) > patient {
			t.Fatalf("no %s after %v", what, patient)
		}
	}
}

// always complains, once, about what should hold for a while and does not.
func always(t *testing.T, what string, d time.Duration, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < d; <-tick.C {
		if !yes() {
			t.Fatalf("no %s, after %v", what, time.Since(begun))
		}
	}
}
