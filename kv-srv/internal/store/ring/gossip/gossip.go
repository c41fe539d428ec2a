// Package gossip finds the nodes of a ring, by hashicorp/memberlist.
package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Config says who a node is and how it finds others.
type Config struct {
	Address  string // where other nodes call it, host:port, which is its name
	Bind     string // host:port of the gossip, over TCP and UDP; no host: all interfaces; port 0 takes a free one
	Key      []byte // 16, 24 or 32 bytes that encrypt the gossip; nil: it is not encrypted
	Replicas int    // of the ring; who has another number is not met

	// Peers returns addresses at which others may be, host:port. Names may have several
	// addresses.
	Peers func() []string

	// Met is told where nodes are called, also of some that are not there.
	Met func(address string)

	Log *slog.Logger
}

// How soon peers are asked again that are not known to be there: at first, since all may
// start at once, and at last.
const (
	soonest = 100 * time.Millisecond
	latest  = 5 * time.Second
)

// Gossip is the membership of one node.
type Gossip struct {
	conf    Config
	address string
	list    *memberlist.Memberlist

	mu    sync.Mutex
	there map[string]string // addresses of who is there, by name
}

// Open begins to listen.
func Open(c Config) (*Gossip, error) {
	host, port, err := net.SplitHostPort(c.Bind)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	m := memberlist.DefaultLANConfig()
	m.Name, m.BindAddr = c.Address, host
	if m.BindPort, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if host == "localhost" {
		m.BindAddr = "127.0.0.1"
	}
	m.AdvertisePort = m.BindPort
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		m.AdvertiseAddr = addressOf(c.Address)
		if m.AdvertiseAddr == "" {
			m.BindAddr = "0.0.0.0" // for which memberlist looks for an address
		}
	}
	m.SecretKey = c.Key
	m.TCPTimeout = 2 * time.Second
	m.ProbeInterval, m.ProbeTimeout = 500*time.Millisecond, 250*time.Millisecond
	m.DeadNodeReclaimTime = time.Second // a node may come back at another address
	m.Logger = slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug)
	g := &Gossip{conf: c, there: map[string]string{}}
	m.Delegate, m.Events, m.Alive = delegate{g}, events{g}, alive{g}
	if g.list, err = memberlist.Create(m); err != nil {
		return nil, fmt.Errorf("gossip on %s: %w", c.Bind, err)
	}
	g.address = g.list.LocalNode().Address()
	return g, nil
}

// addressOf is the IP address of host:port, "" if it has none.
func addressOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if ip, bad := netip.ParseAddr(host); err == nil && bad == nil && !ip.IsUnspecified() {
		return ip.String()
	}
	return ""
}

// Run asks the peers, and again those that are not there, until ctx is done.
func (g *Gossip) Run(ctx context.Context) error {
	said := false
	for wait := soonest; ; wait = min(2*wait, latest) {
		err := g.join()
		if err != nil && !said && ctx.Err() == nil {
			g.conf.Log.InfoContext(ctx, "some peers of the ring do not answer, and are asked again", "error", err)
		}
		said = err != nil
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// join asks the peers that are not known to be there.
func (g *Gossip) join() error {
	g.mu.Lock()
	there := slices.Collect(maps.Values(g.there))
	g.mu.Unlock()
	var errs []error
	for _, p := range g.conf.Peers() {
		if p == g.address || slices.Contains(there, p) {
			continue
		}
		if _, err := g.list.Join([]string{p}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// Address is where others reach the gossip.
func (g *Gossip) Address() string { return g.address }

// Leave says goodbye to the others.
func (g *Gossip) Leave() error { return g.list.Leave(time.Second) }

// Close ends the gossip.
func (g *Gossip) Close() error { return g.list.Shutdown() }

// meta is what a node says of itself besides its name.
func (g *Gossip) meta() []byte { return strconv.AppendInt(nil, int64(g.conf.Replicas), 10) }

type delegate struct{ *Gossip }

func (d delegate) NodeMeta(int) []byte           { return d.meta() }
func (delegate) NotifyMsg([]byte)                {}
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (delegate) LocalState(bool) []byte          { return nil }
func (delegate) MergeRemoteState([]byte, bool)   {}

type events struct{ *Gossip }

func (e events) NotifyJoin(n *memberlist.Node)   { e.tell(n) }
func (e events) NotifyUpdate(n *memberlist.Node) { e.tell(n) }
func (e events) NotifyLeave(n *memberlist.Node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.there, n.Name)
}

func (g *Gossip) tell(n *memberlist.Node) {
	g.mu.Lock()
	g.there[n.Name] = n.Address()
	g.mu.Unlock()
	if n.Name != g.conf.Address {
		g.conf.Met(n.Name)
	}
}

type alive struct{ *Gossip }

// NotifyAlive refuses who would place items elsewhere.
func (a alive) NotifyAlive(n *memberlist.Node) error {
	if string(n.Meta) == string(a.meta()) {
		return nil
	}
	a.conf.Log.Warn("a node that keeps another number of replicas is not taken into the ring",
		"node", n.Name, "replicas", string(n.Meta), "here", a.conf.Replicas)
	return errors.New("another number of replicas")
}
