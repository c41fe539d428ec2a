package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/printable"
)

const (
	flagAll    = "all"
	flagReason = "reason"
)

const discoveryHelp = `Shows who is alive and where, and takes instances out of service:

  platform discovery list
  platform discovery get kv-srv
  platform discovery watch kv-srv
  platform discovery drain kv-srv kv-srv-4f2c --reason "deploy 42"
  platform discovery undrain kv-srv kv-srv-4f2c
  platform discovery timeline kv-srv

Names that are not printable stand in quotes, escaped as in Go.

` + exitHelp

func (a *app) discovery() *cli.Command {
	return &cli.Command{
		Name:        "discovery",
		Usage:       "show instances of services, and drain them",
		Description: discoveryHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagNamespace, Aliases: []string{"n"}, Usage: "`NAMESPACE` of the services (default: default)"},
			addressFlag(), timeoutFlag(),
		},
		Commands: []*cli.Command{a.discoveryList(), a.discoveryGet(), a.discoveryWatch(), a.discoveryDrain(), a.discoveryUndrain(), a.discoveryTimeline()},
	}
}

// discoveryAction is what a command does with a client. It gets the arguments of the command.
type discoveryAction func(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error

// withDiscovery returns an action that does something with least to most arguments.
func (a *app) withDiscovery(least, most int, oneCall bool, do discoveryAction) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		args, err := arguments(cmd, least, most)
		if err != nil {
			return err
		}
		return a.useDiscovery(ctx, cmd, oneCall, func(ctx context.Context, d *discoveryclient.Client) error { return do(ctx, cmd, d, args) })
	}
}

// useDiscovery does something within --timeout, or the default if it is one call.
func (a *app) useDiscovery(ctx context.Context, cmd *cli.Command, oneCall bool, do func(context.Context, *discoveryclient.Client) error) error {
	addresses, err := a.addresses(ctx, cmd, discoveryclient.Service)
	if err != nil {
		return err
	}
	secure, err := a.secure(cmd)
	if err != nil {
		return err
	}
	bounded, cancel := withTimeout(ctx, cmd, oneCall)
	defer cancel()
	// The client has addresses, and so asks no registry.
	d := discoveryclient.New(client.ByAddress(secure, a.log()),
		discoveryclient.WithNamespace(cmd.String(flagNamespace)), discoveryclient.WithAddress(addresses...))
	return clientAnswered(bounded, cmd, do(bounded, d))
}

// allNamespaces tells whether --all is given, which excludes --namespace.
func allNamespaces(cmd *cli.Command) (bool, error) {
	if cmd.Bool(flagAll) && cmd.IsSet(flagNamespace) {
		return false, usage("%s: takes one of --%s and --%s", cmd.FullName(), flagAll, flagNamespace)
	}
	return cmd.Bool(flagAll), nil
}

// nodeLines say what is not as usual with the node that has answered; nothing if all is.
func nodeLines(n discoveryclient.Node) []string {
	var all []string
	if n.Warming {
		all = append(all, "The node is warming: what it does not know may be there all the same.")
	}
	if !n.Preserving.IsZero() {
		all = append(all, fmt.Sprintf("The node preserves leases since %s: %d of %d are late, and none ends.",
			n.Preserving.UTC().Format(time.RFC3339), n.Late, n.Leases))
	}
	if n.Age > 0 {
		all = append(all, fmt.Sprintf("The node is not up to date: it heard of the one that it follows %s ago.", ago(n.Age)))
	}
	if n.Away != "" {
		what := "The registry below"
		if n.Role == discoveryclient.RoleRead {
			what = "The node that it follows"
		}
		all = append(all, what+" is not reached: "+printable.Cell(n.Away))
	}
	return all
}

// missing says what may have been meant where a name is not there.
func missing(ctx context.Context, d *discoveryclient.Client, err error, service string, id ...string) error {
	e, ok := errors.AsType[*discoveryclient.Error](err)
	if !ok || !errors.Is(err, discoveryclient.ErrNotFound) {
		return err
	}
	word, words := service, serviceNames(ctx, d)
	if len(id) > 0 && slices.Contains(words, service) {
		word, words = id[0], instanceIDs(ctx, d, service)
	}
	if slices.Contains(words, word) {
		return err
	}
	told := *e
	told.Message += didYouMean(word, words)
	return &told
}

// serviceNames are those that can be told of; an error is none.
func serviceNames(ctx context.Context, d *discoveryclient.Client) (names []string) {
	for s, err := range d.Services(ctx, "") {
		if err != nil || len(names) == maxNames {
			return names
		}
		names = append(names, s.Service)
	}
	return names
}

func instanceIDs(ctx context.Context, d *discoveryclient.Client, service string) (ids []string) {
	all, err := d.GetService(ctx, service)
	if err != nil {
		return nil
	}
	for _, i := range all[:min(len(all), maxNames)] {
		ids = append(ids, i.ID)
	}
	return ids
}

// maxNames is how many names are looked at for what may be meant.
const maxNames = 10_000

// completeDiscovery offers services for the first argument, or for all if each is one,
// and instances for the second. It asks the service, and offers nothing without it.
func (a *app) completeDiscovery(most int, each bool) cli.ShellCompleteFunc {
	return completeBy(most, func(ctx context.Context, cmd *cli.Command, args []string) (words []string) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_ = a.useDiscovery(ctx, cmd, true, func(ctx context.Context, d *discoveryclient.Client) error { // offers nothing
			if each || len(args) == 0 {
				words = serviceNames(ctx, d)
			} else {
				words = instanceIDs(ctx, d, args[0])
			}
			return nil
		})
		return offered(words)
	})
}

// offered are the words that a shell can take as they stand.
func offered(words []string) (plain []string) {
	for _, w := range words {
		if printable.Cell(w) == w && !strings.ContainsAny(w, ": ") {
			plain = append(plain, w)
		}
	}
	return plain
}
