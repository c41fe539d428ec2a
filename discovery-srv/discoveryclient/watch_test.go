package discoveryclient_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/client"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/discovery-srv/internal/reach"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// patience is more than anything in these tests takes.
const patience = 30 * time.Second

// changes are those of a watch, one after the other.
type changes struct {
	t    *testing.T
	next func() (discoveryclient.Change, error, bool)
}

// follow begins to read a watch until the end of the test.
func follow(t *testing.T, watch func(context.Context) iter.Seq2[discoveryclient.Change, error]) changes {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	next, stop := iter.Pull2(watch(ctx))
	t.Cleanup(func() {
		cancel()
		stop()
	})
	return changes{t, next}
}

// want fails unless this is what comes next.
func (c changes) want(all ...string) {
	c.t.Helper()
	for _, want := range all {
		got, err, ok := c.next()
		if err != nil || !ok {
			c.t.Fatalf("got %v, want %s", err, want)
		}
		if told(got) != want {
			c.t.Fatalf("got %s, want %s", told(got), want)
		}
	}
}

// told is a change in words.
func told(c discoveryclient.Change) string {
	words := []string{c.Type.String()}
	i := c.Instance
	switch c.Type {
	case discoveryclient.ChangeAdded:
		words = append(words, c.Namespace+"/"+c.Service, i.ID, i.Version, i.Status.String())
	case discoveryclient.ChangeUpdated:
		words = append(words, c.Namespace+"/"+c.Service, i.ID, c.Before.Version, c.Before.Status.String(), "->", i.Version, i.Status.String())
	case discoveryclient.ChangeRemoved:
		words = append(words, c.Namespace+"/"+c.Service, i.ID, i.Version, c.Event.String()+":", c.Reason)
	case discoveryclient.ChangeNode, discoveryclient.ChangeSynced:
		words = append(words, fmt.Sprintf("warming=%v", c.Node.Warming))
	case discoveryclient.ChangeBroken:
		words = append(words, fmt.Sprintf("unavailable=%v", errors.Is(c.Err, discoveryclient.ErrUnavailable)))
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func TestWatch(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	r.up("api", "b")
	lease := r.up("api", "a", at("1", ""))
	r.up("web", "a")
	r.up("api", "z", namespace("other"))
	d := discoveryclient.New(p.Client)
	api := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "api", "none") })
	whole := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx) })
	everything := follow(t, d.WatchAll)
	const a, b, synced = "added default/api a 1 up", "added default/api b up", "synced warming=true"
	api.want(a, b, synced)
	whole.want(a, b, "added default/web a up", synced)
	everything.want(a, b, "added default/web a up", "added other/api z up", synced)

	if _, err := r.rpc.Renew(t.Context(), &discoverypb.RenewRequest{LeaseIds: []string{lease}}); err != nil {
		t.Fatal(err)
	}
	r.up("api", "a", at("1", "")) // says nothing new
	if _, _, err := d.Drain(t.Context(), "api", "a", ""); err != nil {
		t.Fatal(err)
	}
	for _, w := range []changes{api, whole, everything} {
		w.want("updated default/api a 1 up -> 1 draining")
	}
	r.up("api", "a", at("2", ""))
	api.want("updated default/api a 1 draining -> 2 draining")
	if err := d.Deregister(t.Context(), "web", "a", "gone home"); err != nil {
		t.Fatal(err)
	}
	if err := d.Deregister(t.Context(), "api", "a", ""); err != nil {
		t.Fatal(err)
	}
	api.want("removed default/api a 2 deregistered:")
	r.up("none", "n")
	api.want("added default/none n up")
	whole.want("updated default/api a 1 draining -> 2 draining", "removed default/web a deregistered: gone home",
		"removed default/api a 2 deregistered:", "added default/none n up")
	r.up("s", "short", func(r *discoverypb.RegisterRequest) { r.Ttl = durationpb.New(time.Second) })
	whole.want("added default/s short up", "removed default/s short lost: no renewal for 1s")
}

// TestWatchThroughRestarts: a watch goes on at the node that comes next at the same address,
// and tells what is different there.
func TestWatchThroughRestarts(t *testing.T) {
	var address string
	var w changes
	during := func(name string, s host.Service, do func(r processes)) {
		t.Run(name, func(inner *testing.T) {
			env := settings()
			if address != "" {
				env["DISCOVERY_ADDRESS"] = address
			}
			p := hosttest.Run(inner, env, s)
			address = p.Address(discoveryclient.Service)
			do(of(inner, p))
		})
		w.want("broken unavailable=true")
	}
	during("the first", discoveryserver.Service(), func(r processes) {
		for _, id := range []string{"a", "b", "c"} {
			r.up("s", id, at("1", ""))
		}
		d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(address))
		w = follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "s") })
		w.want("added default/s a 1 up", "added default/s b 1 up", "added default/s c 1 up", "synced warming=true")
	})
	during("one that is empty", discoveryserver.Service(), func(r processes) {
		w.want("synced warming=true") // and nothing is removed
		r.up("s", "a", at("1", ""))   // as it was
		r.up("s", "b", at("2", ""))
		w.want("updated default/s b 1 up -> 2 up")
	})
	// For longer than the watch may wait before it tries again.
	during("one that warms for a moment", writeNode(2*reach.Longest), func(r processes) {
		w.want("added default/s seen up", "synced warming=true")
		r.up("s", "b", at("2", ""))
		w.want(
			"removed default/s a 1 gone: unknown to the node that is followed",
			"removed default/s c 1 gone: unknown to the node that is followed",
			"node warming=false")
	})
	during("one that knows", writeNode(0), func(processes) {
		w.want("removed default/s b 2 gone: unknown to the node that is followed", "synced warming=false")
	})
}

// TestWatchResumes: with a connection that breaks, a watch goes on where it was.
func TestWatchResumes(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	r.up("s", "a")
	cut := newProxy(t, p.Address(discoveryclient.Service))
	d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(cut.address()))
	w := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx) })
	w.want("added default/s a up", "synced warming=true")
	cut.cut(func() {
		r.up("s", "b")
		if err := discoveryclient.New(p.Client).Deregister(t.Context(), "s", "a", "told meanwhile"); err != nil {
			t.Error(err)
		}
	})
	// A snapshot would not say what became of a.
	w.want("broken unavailable=true", "removed default/s a deregistered: told meanwhile", "added default/s b up", "synced warming=true")
}

// TestWatchElsewhere: one of several nodes that is away is no news, nor one that is silent.
func TestWatchElsewhere(t *testing.T) {
	p := begin(t)
	of(t, p).up("s", "a")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	live := p.Address(discoveryclient.Service)
	for _, first := range []string{"127.0.0.1:1", silent.Addr().String()} {
		d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(first, live))
		d.SetSilence(time.Second)
		w := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "s") })
		w.want("added default/s a up", "synced warming=true")
	}
	d := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress(silent.Addr().String()))
	d.SetSilence(time.Second)
	w := follow(t, func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "s") })
	w.want("broken unavailable=true")
}

// TestWatchEnds leaves watches in every way, while and while not there are changes.
func TestWatchEnds(t *testing.T) {
	p := begin(t)
	r := of(t, p)
	d := discoveryclient.New(p.Client)
	r.up("busy", "a") // connects
	before := goleak.IgnoreCurrent()

	var writing atomic.Bool
	var writer sync.WaitGroup
	writing.Store(true)
	writer.Go(func() {
		for i := 0; writing.Load(); i++ {
			r.up("busy", "a", at(fmt.Sprint(i), ""))
		}
	})
	away := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress("127.0.0.1:1"))
	for i := range 40 {
		for _, watch := range []func(context.Context) iter.Seq2[discoveryclient.Change, error]{
			d.WatchAll,
			func(ctx context.Context) iter.Seq2[discoveryclient.Change, error] { return d.Watch(ctx, "idle") },
			away.WatchAll,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond/2)
			var last error
			for _, last = range watch(ctx) {
			}
			if !errors.Is(last, context.DeadlineExceeded) {
				t.Errorf("%d: ended with %v, want that of the context", i, last)
			}
			cancel()
		}
	}
	for c, err := range d.Watch(t.Context(), "busy") {
		if err != nil {
			t.Error(err)
		}
		if c.Type == discoveryclient.ChangeUpdated {
			break
		}
	}
	for c, err := range away.Watch(t.Context()) {
		if err != nil || c.Type != discoveryclient.ChangeBroken {
			t.Errorf("got %+v, %v", c, err)
		}
		break
	}
	writing.Store(false)
	writer.Wait()
	// A connection of the server and its handler end soon after the watch.
	goleak.VerifyNone(t, hosttest.Leftovers(before)...)
}
