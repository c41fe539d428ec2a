package ring_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/broker"
	microclient "go-micro.dev/v5/client"
	microgrpc "go-micro.dev/v5/client/grpc"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/kv-srv/kvclient"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// namespace has all that the tests write.
const namespace = "ring"

// A cluster is the processes of a ring. One goroutine starts and ends them; its callers
// may be many.
type cluster struct {
	t     testing.TB
	begin time.Time
	env   []string // of each process
	nodes []*process

	mu    sync.Mutex
	doors []*door // what callers know: the nodes that were started and not taken away
}

// A door is how callers reach one life of a node.
type door struct {
	address string
	mucp    *kvclient.Client
	grpc    *kvclient.Client
	ring    kvpb.KVService
	excused atomic.Bool // from answering: it starts, or was stopped or ended, and the ring has not settled since
}

// host is where a node is.
type host struct {
	service, gossip string
	enter           []string // what starts a program there
}

// newCluster starts a node at each host, and waits until they are a ring. They end with
// the test. env is added to their settings.
func newCluster(t testing.TB, env []string, hosts ...host) *cluster {
	t.Helper()
	path, err := kvsrv()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, begin: time.Now(), env: append([]string{
		"KV_STORE=memory:?replicas=2", "PLATFORM_REGISTRY=memory:", "PATH=" + os.Getenv("PATH"),
		"KV_RING_KEY_FILE=" + newKey(t), "KV_PEERS=" + strings.Join(gossips(hosts), ","),
	}, env...)}
	t.Cleanup(c.end)
	for _, h := range hosts {
		c.add(path, h).start()
	}
	c.settle("a ring of all")
	return c
}

func newKey(t testing.TB) string {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gossips(hosts []host) []string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.gossip)
	}
	return all
}

// add makes a node, which is not started yet, and tells callers of it.
func (c *cluster) add(path string, h host) *process {
	c.t.Helper()
	dir := c.t.TempDir()
	p := &process{
		t: c.t, address: h.service, command: append(slices.Clone(h.enter), path), log: filepath.Join(dir, "log"),
		env: append([]string{"HOME=" + dir, "PLATFORM_DATA=" + dir, "KV_ADDRESS=" + h.service, "KV_RING_ADDRESS=" + h.gossip}, c.env...),
	}
	c.nodes = append(c.nodes, p)
	c.open(p)
	return p
}

// join starts a node that is new.
func (c *cluster) join(h host) *process {
	c.t.Helper()
	path, err := kvsrv()
	if err != nil {
		c.t.Fatal(err)
	}
	p := c.add(path, h)
	p.start()
	return p
}

// kill ends a node as kill -9 does.
func (c *cluster) kill(p *process) {
	c.t.Helper()
	c.door(p).excused.Store(true)
	p.kill()
}

// leave ends a node as an operator does.
func (c *cluster) leave(p *process) {
	c.t.Helper()
	c.door(p).excused.Store(true)
	c.logf("%s left within %v", p.address, p.leave().Round(time.Millisecond))
}

// stop keeps a node from doing anything until it goes on. It is to answer again once the
// ring has settled after that.
func (c *cluster) stop(p *process) {
	c.t.Helper()
	c.door(p).excused.Store(true)
	p.stop()
}

// again starts a node that has ended.
func (c *cluster) again(p *process) {
	c.t.Helper()
	p.start()
	c.open(p)
}

// forget takes a node that has ended from what callers know.
func (c *cluster) forget(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doors = slices.DeleteFunc(c.doors, func(d *door) bool { return d.address == p.address })
	c.nodes = slices.DeleteFunc(c.nodes, func(n *process) bool { return n == p })
	c.t.Cleanup(p.end)
}

func (c *cluster) end() {
	for _, p := range c.nodes {
		p.end()
	}
}

// open gives callers new connections to a node that starts: go-micro's clients keep those
// to its last life, and fail once on each.
func (c *cluster) open(p *process) {
	d := newDoor(p.address)
	d.excused.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.doors, func(d *door) bool { return d.address == p.address })
	if i < 0 {
		c.doors = append(c.doors, d)
		return
	}
	c.doors[i] = d
}

func newDoor(address string) *door {
	mucp, grpc := micro()
	at, in := kvclient.WithAddress(address), kvclient.WithNamespace(namespace)
	return &door{address: address, mucp: kvclient.New(mucp, at, in), grpc: kvclient.New(grpc, at, in), ring: kvpb.NewKVService(kvclient.Service, mucp)}
}

// micro are go-micro's clients, with connections of their own.
func micro() (mucp, grpc microclient.Client) {
	log := slog.New(slog.DiscardHandler)
	none := registry.NewMemoryRegistry(registry.Logger(microlog.New(log)))
	return client.New(none, nil, log), client.Protobuf(microgrpc.NewClient(
		microclient.Registry(none), microclient.Selector(selector.NewSelector(selector.Registry(none))),
		microclient.Broker(broker.NewMemoryBroker()), microclient.WithLogger(microlog.New(log)),
	))
}

// known are the doors that callers know.
func (c *cluster) known() []*door {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.doors)
}

// door is that of a node.
func (c *cluster) door(p *process) *door {
	c.t.Helper()
	for _, d := range c.known() {
		if d.address == p.address {
			return d
		}
	}
	c.t.Fatalf("no door of %s", p.address)
	return nil
}

// logf writes what happens, and when.
func (c *cluster) logf(format string, args ...any) {
	c.t.Helper()
	c.t.Logf("%8.3fs %s", time.Since(c.begin).Seconds(), fmt.Sprintf(format, args...))
}

// loopback returns hosts on free ports of this one.
func loopback(t testing.TB, n int) []host {
	t.Helper()
	var hosts []host
	for range n {
		hosts = append(hosts, host{service: freePort(t), gossip: freePort(t)})
	}
	return hosts
}

// freePort is one that no connection gets by chance while its node is away: systems give
// out higher ones.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		if address := fmt.Sprintf("127.0.0.1:%d", 15000+mathrand.IntN(15000)); free(address) {
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	defer u.Close()
	return true
}
