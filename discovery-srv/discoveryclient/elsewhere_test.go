package discoveryclient_test

import (
	"context"
	"iter"
	"net"
	"testing"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

// silent is the address of what accepts connections and says nothing, as a process that was
// stopped.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestSilentNode: a call that a node does not answer fails, and the next one goes elsewhere.
func TestSilentNode(t *testing.T) {
	p := begin(t)
	of(t, p).up("s", "a")
	d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(silent(t), p.Address(discoveryclient.Service)))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if got, err := d.GetService(ctx, "s"); err == nil {
		t.Errorf("got %q of a node that is silent", ids(got))
	}
	if got, err := d.GetService(t.Context(), "s"); err != nil || ids(got) != "a" {
		t.Errorf("got %q, %v", ids(got), err)
	}
}

// TestRegisterElsewhere: who registers, and looks up nothing, leaves a node that is silent.
func TestRegisterElsewhere(t *testing.T) {
	p := begin(t)
	one, two, three := silent(t), silent(t), silent(t)
	r := discoveryclient.NewRegistry(one, two, three, p.Address(discoveryclient.Service))
	defer r.Close()
	s := &registry.Service{Name: "s", Nodes: []*registry.Node{{Id: "a", Address: "10.0.0.7:80"}}}
	if err := r.Register(s); err != nil {
		t.Fatal(err)
	}
	d := discoveryclient.New(p.Client)
	w := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "s") })
	for c, err, ok := w.next(); ; c, err, ok = w.next() {
		if err != nil || !ok {
			t.Fatal(err)
		}
		if c.Type == discoveryclient.ChangeAdded && c.Instance.ID == "a" {
			return
		}
	}
}
