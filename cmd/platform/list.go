package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v3"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/rpcerr"
)

func (a *app) list() *cli.Command {
	return &cli.Command{
		Name:  "services",
		Usage: "list what the registry has",
		Description: "Has a line for each instance of each service. From mdns: only those of this machine\nare listed, unless PLATFORM_MDNS=lan.\n\n" +
			"With --watch the table has the state of each, and a line for each change follows: came,\nwent, ready, waiting, away, unknown, restarted. It goes on until Ctrl-C, which is no\n" +
			"failure: it exits with 0. With --output json each change is a line, and those that are\nthere have come.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "watch", HideDefault: true, Usage: "go on, and print changes as they happen"}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			if cmd.Bool("watch") {
				return a.watch(ctx, cmd, a.watchInstances)
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
	found, err := fleet.List(d)
	if err != nil {
		return nil, rpcerr.New(codes.Unavailable, "", "list what the registry %s has", d.url).Because(err)
	}
	all := []instance{} // not null in JSON
	for _, r := range found {
		all = append(all, instance(r))
	}
	return all, nil
}
