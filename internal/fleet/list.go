package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"go-micro.dev/v5/registry"
	"golang.org/x/sync/errgroup"
)

// maxInstances is how many are watched.
const maxInstances = 1000

// A Record is an instance as the registry has it.
type Record struct {
	Name, Version, ID, Address string
	Endpoints                  []string // in order
	Metadata                   map[string]string
}

// lookups is how often a service is looked up before it is not there: an answer over
// mDNS may be lost, or come late from a busy machine.
const lookups = 2

// Find returns what a registry knows of a service; nothing if it is not there.
func Find(r registry.Registry, service string) ([]*registry.Service, error) {
	for range lookups {
		all, err := r.GetService(service)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	return nil, nil
}

// List returns what a registry has, in order of names, versions and addresses. Beside
// an error that is not all.
func List(r registry.Registry) ([]Record, error) {
	listed, err := r.ListServices()
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	var names []string
	for _, s := range listed {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var asking errgroup.Group // for each takes the time that mDNS waits for answers
	asking.SetLimit(16)
	found, errs := make([][]*registry.Service, len(names)), make([]error, len(names))
	for i, name := range names {
		asking.Go(func() error {
			if found[i], errs[i] = Find(r, name); errs[i] != nil {
				errs[i] = fmt.Errorf("ask for %s: %w", name, errs[i])
			}
			return nil
		})
	}
	_ = asking.Wait() // errs has them all
	var all []Record
	for _, s := range slices.Concat(found...) {
		all = append(all, records(s)...)
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Address, b.Address), cmp.Compare(a.ID, b.ID))
	})
	return all, errors.Join(errs...)
}

func records(s *registry.Service) []Record {
	endpoints := make([]string, 0, len(s.Endpoints))
	for _, e := range s.Endpoints {
		endpoints = append(endpoints, e.Name)
	}
	slices.Sort(endpoints)
	all := make([]Record, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		all = append(all, Record{s.Name, s.Version, n.Id, n.Address, endpoints, maps.Clone(n.Metadata)})
	}
	return all
}

// list asks the registry who is there.
func (f *Fleet) list(ctx context.Context) {
	begun := f.now()
	all, err := List(f.registry)
	static := f.unregistered(ctx, all)
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noteAway(ctx, err)
	f.merge(ctx, all, static, err == nil, begun)
	f.forget()
	f.tell()
}

// noteAway logs that the registry goes and that it is back, once.
func (f *Fleet) noteAway(ctx context.Context, err error) {
	switch {
	case err != nil && f.away == nil:
		f.log.WarnContext(ctx, "the registry does not answer: what it had goes on to be watched", "error", err)
	case err == nil && f.away != nil:
		f.log.InfoContext(ctx, "the registry answers again")
	}
	f.away = err
}

// merge takes over what the registry has. Unless that is all, nobody is missing.
func (f *Fleet) merge(ctx context.Context, all []Record, static map[key]bool, complete bool, begun time.Time) {
	by := map[key][]Record{}
	for _, r := range all {
		k := key{r.Name, r.Address}
		by[k] = append(by[k], r)
	}
	for k, i := range f.instances {
		i.static = static[k]
		if i.listed && complete && by[k] == nil {
			i.listed, i.unlisted = false, f.now()
		}
	}
	keys := slices.SortedFunc(maps.Keys(by), key.compare)
	for k := range static {
		if by[k] == nil {
			keys = append(keys, k)
		}
	}
	left := 0
	for _, k := range keys {
		i := f.instances[k]
		switch {
		case i == nil && len(f.instances) >= maxInstances:
			left++
			continue
		case i == nil:
			i = &instance{Instance: Instance{Address: k.address}, ids: map[string]bool{}, static: static[k]}
			f.instances[k] = i
		}
		if by[k] != nil {
			i.register(by[k], begun)
		}
	}
	f.noteOver(ctx, left)
}

// noteOver logs that there are too many, once.
func (f *Fleet) noteOver(ctx context.Context, left int) {
	if left == 0 {
		f.over = nil
		return
	}
	if f.over == nil {
		f.log.WarnContext(ctx, "too many instances: not all are watched", "watched", maxInstances, "left_out", left)
	}
	f.over = fmt.Errorf("%d instances are watched, and %d more are not", maxInstances, left)
}

// register takes over what the registry has for the address of i. The newest of several
// is the process that is there now: those before it were killed, or it is registered
// twice.
func (i *instance) register(all []Record, begun time.Time) {
	current := slices.IndexFunc(all, func(r Record) bool { return !i.ids[r.ID] })
	if current < 0 {
		current = max(0, slices.IndexFunc(all, func(r Record) bool { return r.ID == i.ID }))
	}
	clear(i.ids)
	for _, r := range all {
		i.ids[r.ID] = true
	}
	r := all[current]
	i.ID, i.Version, i.Endpoints, i.Metadata = r.ID, r.Version, r.Endpoints, r.Metadata
	if begun.After(i.left) {
		i.listed = true
	}
}

// forget removes who is gone.
func (f *Fleet) forget() {
	now := f.now()
	there := map[string]bool{}
	for k, i := range f.instances {
		if i.gone(now) {
			delete(f.instances, k)
			continue
		}
		there[k.service] = true
	}
	for name := range f.histories {
		if !there[name] {
			delete(f.histories, name)
		}
	}
}

// unregistered returns the static instances but those that are known as registered by
// another name of their host.
func (f *Fleet) unregistered(ctx context.Context, all []Record) map[key]bool {
	has := f.registered()
	for _, r := range all {
		has[key{r.Name, r.Address}] = true
	}
	static := map[key]bool{}
	for service, addresses := range f.static {
		for _, a := range addresses {
			same := func(address string) bool { return has[key{service, address}] }
			if !slices.ContainsFunc(resolve(ctx, a), same) {
				static[key{service, a}] = true
			}
		}
	}
	return static
}

// registered returns who is in the registry, or was.
func (f *Fleet) registered() map[key]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[key]bool{}
	for k, i := range f.instances {
		all[k] = len(i.ids) > 0
	}
	return all
}

// resolve returns the addresses that one with a name stands for; none if it cannot be told.
func resolve(ctx context.Context, address string) []string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || net.ParseIP(host) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ips, _ := net.DefaultResolver.LookupHost(ctx, host)
	for i, ip := range ips {
		ips[i] = net.JoinHostPort(ip, port)
	}
	return ips
}
