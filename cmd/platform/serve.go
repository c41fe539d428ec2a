package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/host"
)

func (a *app) serve() *cli.Command {
	return &cli.Command{
		Name:          "serve",
		Usage:         "run services in one process, all of them or those named",
		ArgsUsage:     "[SERVICE...]",
		Description:   serveHelp(a.services),
		ShellComplete: complete(names(a.services), len(a.services)),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			words, err := arguments(cmd, 0, -1)
			if err != nil {
				return err
			}
			chosen, err := choose(a.services, words)
			if err != nil {
				return err
			}
			return a.run(ctx, cmd, chosen)
		},
	}
}

// run runs services until ctx is done, and tells where they listen.
func (a *app) run(ctx context.Context, cmd *cli.Command, services []host.Service) error {
	return host.Run(ctx, host.Process{
		Getenv:   overDiscovery(a.env(cmd), services),
		Stderr:   a.stderr,
		Registry: a.registry,
		Started:  func(all []host.Running) { a.started(cmd, all) },
	}, services...)
}

func serveHelp(all []host.Service) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Services: %s.\n\n", strings.Join(names(all), ", "))
	b.WriteString("Prints where they listen once all of them answer, and runs until it is told to stop\n" +
		"(Ctrl-C or SIGTERM; twice ends it at once). The log goes to stderr.\n\n" +
		"With discovery-srv among them they find each other there, unless PLATFORM_REGISTRY says\n" +
		"otherwise; whoever uses DISCOVERY_REGISTRY (mdns:) finds them all the same.\n\n" +
		"Settings are environment variables; each may stand in a file that NAME_FILE names:\n\n")
	host.WriteSettings(&b, all...)
	return strings.TrimRight(b.String(), "\n")
}

// choose returns the services that words name, each once, or all if there are none.
func choose(all []host.Service, words []string) ([]host.Service, error) {
	if len(words) == 0 {
		return all, nil
	}
	var chosen []host.Service
	for _, w := range words {
		i := named(all, w)
		if i < 0 {
			return nil, usage("no service %q%s (have %s)", w, didYouMean(w, slices.Concat(names(all), shorts(all))), strings.Join(names(all), ", "))
		}
		if !slices.Contains(names(chosen), all[i].Name) {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// started tells where the services listen.
func (a *app) started(cmd *cli.Command, all []host.Running) {
	if asJSON(cmd) {
		type row struct {
			Name    string            `json:"name"`
			Address string            `json:"address"`
			Doors   map[string]string `json:"doors,omitempty"`
		}
		rows := make([]row, 0, len(all))
		for _, r := range all {
			rows = append(rows, row(r))
		}
		a.json(rows)
		return
	}
	t := a.table("SERVICE", "ADDRESS")
	for _, r := range all {
		t.row(r.Name, r.Address)
		for _, protocol := range slices.Sorted(maps.Keys(r.Doors)) {
			t.row(r.Name+" "+protocol, r.Doors[protocol])
		}
	}
	t.flush()
}
