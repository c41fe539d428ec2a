package gossip_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/store/ring/gossip"
)

// one is a node, and whom it has met.
type one struct {
	*gossip.Gossip
	met chan string
	log *lines
	end func()
}

func run(t *testing.T, name string, peers []string, change ...func(*gossip.Config)) *one {
	t.Helper()
	o := &one{met: make(chan string, 64), log: &lines{said: make(chan struct{}, 1)}}
	c := gossip.Config{
		Address: name, Bind: "127.0.0.1:0", Replicas: 2,
		Peers: func() []string { return peers },
		Met:   func(address string) { o.met <- address },
		Log:   slog.New(slog.NewTextHandler(o.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	g, err := gossip.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	o.Gossip = g
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	o.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(o.end)
	return o
}

// meets waits until a node has met some others.
func (o *one) meets(t *testing.T, names ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	for len(missing) > 0 {
		select {
		case name := <-o.met:
			delete(missing, name)
		case <-time.After(20 * time.Second):
			t.Fatalf("%v were not met: %s", missing, o.log.String())
		}
	}
}

// says waits until a node has logged something.
func (o *one) says(t *testing.T, what string) {
	t.Helper()
	end := time.After(20 * time.Second)
	for !strings.Contains(o.log.String(), what) {
		select {
		case <-o.log.said:
		case <-end:
			t.Fatalf("%q is not in the log: %s", what, o.log.String())
		}
	}
}

func (o *one) meetsNobody(t *testing.T) {
	t.Helper()
	select {
	case name := <-o.met:
		t.Errorf("%s was met", name)
	default:
	}
}

type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	said chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.said <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestMeets: one peer that is there is enough to meet all, wherever its name is from.
func TestMeets(t *testing.T) {
	a := run(t, "a:1", nil)
	_, port, err := net.SplitHostPort(a.Address())
	if err != nil || port == "0" {
		t.Fatalf("the gossip is at %q, %v", a.Address(), err)
	}
	b := run(t, "b:1", []string{a.Address()})
	c := run(t, "c:1", []string{"localhost:" + port})
	d := run(t, "d:1", []string{"127.0.0.1:1", "no.such.host.invalid:1", b.Address(), c.Address()})
	a.meets(t, "b:1", "c:1", "d:1")
	b.meets(t, "a:1", "c:1", "d:1")
	c.meets(t, "a:1", "b:1", "d:1")
	d.meets(t, "a:1", "b:1", "c:1")
	d.says(t, "some peers of the ring do not answer")
}

// TestReplicas: who keeps another number of replicas is not met, and both say so.
func TestReplicas(t *testing.T) {
	a := run(t, "a:1", nil)
	b := run(t, "b:1", []string{a.Address()}, func(c *gossip.Config) { c.Replicas = 3 })
	for _, o := range []*one{a, b} {
		o.says(t, "a node that keeps another number of replicas is not taken into the ring")
	}
	c := run(t, "c:1", []string{a.Address()})
	c.meets(t, "a:1") // what b has sent has long been read
	a.meets(t, "c:1")
	a.meetsNobody(t)
	b.meetsNobody(t)
}

// TestKey: who has another key, or none, meets nobody; who has the same does.
func TestKey(t *testing.T) {
	key := func(s string) func(*gossip.Config) {
		return func(c *gossip.Config) { c.Key = []byte(s) }
	}
	a := run(t, "a:1", nil, key("0123456789abcdef"))
	for name, c := range map[string]func(*gossip.Config){"other:1": key("fedcba9876543210"), "none:1": func(*gossip.Config) {}} {
		b := run(t, name, []string{a.Address()}, c)
		b.says(t, "some peers of the ring do not answer")
		b.meetsNobody(t)
		if strings.Contains(b.log.String()+a.log.String(), "0123456789abcdef") {
			t.Errorf("the key is in the log: %s%s", b.log.String(), a.log.String())
		}
	}
	run(t, "b:1", []string{a.Address()}, key("0123456789abcdef")).meets(t, "a:1")
	a.meets(t, "b:1")
	a.meetsNobody(t)
}

// TestComesBack: who has left is met again when it comes back, also at another address.
func TestComesBack(t *testing.T) {
	a := run(t, "a:1", nil)
	for range 2 {
		b := run(t, "b:1", []string{a.Address()})
		a.meets(t, "b:1")
		b.meets(t, "a:1")
		if err := b.Leave(); err != nil {
			t.Fatal(err)
		}
		b.end()
	}
}

// TestNoneLeft: nothing is left of a node that was closed.
func TestNoneLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	a := run(t, "a:1", nil)
	b := run(t, "b:1", []string{a.Address()})
	a.meets(t, "b:1")
	b.end()
	a.end()
	goleak.VerifyNone(t, before)
}

// TestWrongAddress: what cannot be listened on is refused.
func TestWrongAddress(t *testing.T) {
	for _, bind := range []string{"", "127.0.0.1", "127.0.0.1:http", "192.0.2.1:0"} {
		g, err := gossip.Open(gossip.Config{Address: "a:1", Bind: bind, Replicas: 2, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%q: listens on %s", bind, g.Address())
			_ = g.Close()
			continue
		}
		if !strings.HasPrefix(err.Error(), "gossip") {
			t.Errorf("%q: got %v", bind, err)
		}
	}
}
