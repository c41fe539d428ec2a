package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/urfave/cli/v3"
	"go-micro.dev/v5/registry"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

func (a *app) list() *cli.Command {
	return &cli.Command{
		Name:        "services",
		Usage:       "list what the registry has",
		Description: "Has a line for each instance of each service. From mdns: only those of this machine\nare listed, unless PLATFORM_MDNS=lan.",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			d, err := a.directory(ctx, cmd)
			if err != nil {
				return err
			}
			all, err := d.instances()
			if err != nil {
				return err
			}
			a.printInstances(cmd, all)
			if len(all) == 0 {
				fmt.Fprintln(a.stderr, d.empty())
			}
			return nil
		},
	}
}

// instance is one node of a service.
type instance struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	ID        string            `json:"id"`
	Address   string            `json:"address"`
	Endpoints []string          `json:"endpoints"`
	Metadata  map[string]string `json:"metadata"`
}

func (a *app) printInstances(cmd *cli.Command, all []instance) {
	if asJSON(cmd) {
		a.json(all)
		return
	}
	t := a.table("SERVICE", "VERSION", "ADDRESS", "ENDPOINTS")
	for _, i := range all {
		t.row(i.Name, i.Version, i.Address, strconv.Itoa(len(i.Endpoints)))
	}
	t.flush()
}

func (d *directory) empty() string {
	if d.url == "memory:" {
		return "The registry memory: is that of one process. Name another with --registry or PLATFORM_REGISTRY, here and where services run."
	}
	return fmt.Sprintf("No services in the registry %s. Start them with `platform serve`, or name another registry with --registry or PLATFORM_REGISTRY.", d.url)
}

// instances returns what is registered, in order.
func (d *directory) instances() ([]instance, error) {
	listed, err := d.ListServices()
	if err != nil {
		return nil, rpcerr.New(codes.Unavailable, "", "list what the registry %s has", d.url).Because(err)
	}
	var names []string
	for _, s := range listed {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var asking errgroup.Group // for each takes the time that mDNS waits for answers
	asking.SetLimit(16)
	found := make([][]*registry.Service, len(names))
	for i, name := range names {
		asking.Go(func() (err error) {
			found[i], err = d.find(name)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	all := []instance{} // not null in JSON
	for _, s := range slices.Concat(found...) {
		all = append(all, nodes(s)...)
	}
	slices.SortFunc(all, func(a, b instance) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Address, b.Address))
	})
	return all, nil
}

func nodes(s *registry.Service) []instance {
	endpoints := make([]string, 0, len(s.Endpoints))
	for _, e := range s.Endpoints {
		endpoints = append(endpoints, e.Name)
	}
	slices.Sort(endpoints)
	all := make([]instance, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		all = append(all, instance{s.Name, s.Version, n.Id, n.Address, endpoints, n.Metadata})
	}
	return all
}
