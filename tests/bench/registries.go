package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/etcd"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

// lookupGoal is how long a lookup may take in the client.
const lookupGoal = 200 * time.Nanosecond

// onRegistries measures discovery, over an etcd, as go-micro's registry, beside go-micro's
// own on that etcd: what it takes to register a service, and to look it up.
func (o options) onRegistries(ctx context.Context, is wanted) error {
	const name = "registry on etcd, go-micro's own"
	if !is(name, 1) {
		return nil
	}
	at, end, err := backend{name: "etcd", binary: "etcd"}.find(ctx, filepath.Join(o.keys, "backends"))
	if err != nil {
		fmt.Printf("left out, of registries: %v\n", err)
		return nil
	}
	defer end()
	p, err := startServer(ctx, "discovery="+at.String(), o.profile, "")
	if err != nil {
		return err
	}
	defer p.stop()
	ours := discoveryclient.NewRegistry(p.address)
	defer ours.Close()
	theirs := etcd.NewEtcdRegistry(registry.Addrs(at.Host))
	for _, line := range []struct {
		what string
		do   func(r registry.Registry, who string, n int) error
	}{{"register", register}, {"look up", lookUp}} {
		if err := o.besides(line.what+", "+name, ours, theirs, line.do); err != nil {
			return err
		}
	}
	return nil
}

// besides runs both in turn, and prints what each takes.
func (o options) besides(name string, ours, theirs registry.Registry, do func(r registry.Registry, who string, n int) error) error {
	var a, b []time.Duration
	for i := range o.pairs + 1 {
		x, err := o.timed(func(n int) error { return do(ours, "ours", i<<20+n) })
		if err != nil {
			return err
		}
		y, err := o.timed(func(n int) error { return do(theirs, "theirs", i<<20+n) })
		if err != nil {
			return err
		}
		if i > 0 { // the first pair warms up
			a, b = append(a, x), append(b, y)
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	x, y := a[len(a)/2], b[len(b)/2]
	fmt.Printf("%-56s %6.2f  ours %v, theirs %v", name, float64(y)/float64(x), x, y)
	if x < lookupGoal {
		fmt.Printf(" (less than %v)", lookupGoal)
	}
	fmt.Println()
	return nil
}

// timed repeats f for a run, and returns what one takes.
func (o options) timed(f func(n int) error) (time.Duration, error) {
	begun, n := time.Now(), 0
	for ; time.Since(begun) < o.length; n++ {
		if err := f(n); err != nil {
			return 0, err
		}
	}
	return time.Since(begun) / time.Duration(n), nil
}

func register(r registry.Registry, who string, n int) error {
	name := fmt.Sprintf("bench-%s-%d", who, n)
	return r.Register(&registry.Service{Name: name, Version: "1", Nodes: []*registry.Node{
		{Id: name + "-1", Address: "127.0.0.1:9000", Metadata: map[string]string{"protocol": "mucp"}},
	}}, registry.RegisterTTL(30*time.Second))
}

// lookedUp are services that were registered first.
var lookedUp = map[string]string{"ours": "bench-ours-0", "theirs": "bench-theirs-0"}

// lookUp looks up a service that whoever looks has registered.
func lookUp(r registry.Registry, who string, _ int) error {
	found, err := r.GetService(lookedUp[who])
	if err == nil && len(found) == 0 {
		err = errors.New("nothing was found")
	}
	return err
}
